"""The error tree, its public numbers, and what each protocol makes of it."""

import json
import re
from collections.abc import Iterator

import pytest

from paddle_serving_client import errors
from paddle_serving_client.errors import ErrNo, ServingError
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_server.protocols.brpc import codes
from paddle_serving_server.protocols.grpc import methods
from paddle_serving_server.protocols.http import refusal

TREE = re.compile(r"^    (?P<bars>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<number>\d+)  ", re.MULTILINE)
ONLY_AT_START = {errors.BadConfig, errors.BadModel, errors.MissingLibrary}
"""Raised before there is a caller. Where one meets a request after all, it is our fault: 500, 2001."""
ONLY_AT_THE_CALLER = {errors.Unreachable}
"""Raised by clients; no server answers it."""


def tree(cls: type[ServingError] = ServingError) -> Iterator[type[ServingError]]:
    """A class of errors.py and all below it."""
    yield cls
    for below in cls.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


CLASSES = list(tree())


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = {m["name"]: (int(m["number"]), len(m["bars"])) for m in TREE.finditer(errors.__doc__ or "")}
    assert set(drawn) == {cls.__name__ for cls in CLASSES}
    for cls in CLASSES:
        number, depth = drawn[cls.__name__]
        assert number == cls.err_no, cls
        assert depth == 4 * len([base for base in cls.__mro__ if issubclass(base, ServingError) and base is not cls])


def test_numbers_are_those_of_paddle_serving_and_different() -> None:
    assert {name: int(number) for name, number in ErrNo.__members__.items()} == {
        "OK": 0,
        "NOT_IMPLEMENTED": 3000,
        "CLOSED": 3001,
        "NO_SERVICE": 3002,
        "INIT": 3003,
        "CONFIG": 4000,
        "INPUT": 5000,
        "TIMEOUT": 6000,
        "TYPE": 7000,
        "PACKET": 8000,
        "BACKEND": 9000,
        "UNKNOWN": 10000,
    }
    assert len(set(ErrNo.__members__.values())) == len(ErrNo.__members__)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_says_who_it_is_for(cls: type[ServingError]) -> None:
    assert cls.__doc__
    assert cls.err_no is not ErrNo.OK


@pytest.mark.parametrize("cls", [c for c in CLASSES if c not in ONLY_AT_START | ONLY_AT_THE_CALLER | {ServingError}])
def test_every_error_of_a_request_has_a_status_and_a_code(cls: type[ServingError]) -> None:
    assert any(issubclass(cls, known) for known, _, _ in refusal._STATUS)
    assert any(issubclass(cls, known) for known, _ in codes.CODES)
    assert any(issubclass(cls, known) for known, _, _ in methods._STATUS)


def test_no_row_of_a_table_is_hidden_by_one_above_it() -> None:
    tables = (refusal._STATUS, codes.CODES, methods._STATUS)
    for table in ([row[0] for row in rows] for rows in tables):
        for k, cls in enumerate(table):
            assert not [above for above in table[:k] if issubclass(cls, above)], cls


def test_all_protocols_give_an_error_the_same_code() -> None:
    for cls in CLASSES:
        over_http = next((code for known, _, code in refusal._STATUS if issubclass(cls, known)), RpcError.INTERNAL)
        over_brpc = next((code for known, code in codes.CODES if issubclass(cls, known)), RpcError.INTERNAL)
        assert over_http == over_brpc == methods.refusal(cls("x")).code, cls


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_over_http_carries_its_number_and_its_words(cls: type[ServingError]) -> None:
    response = refusal.response(cls("the words"))
    assert json.loads(response.body) == {"err_no": int(cls.err_no), "err_msg": "the words", "result": "the words"}
    assert response.status >= 400
    assert ("Retry-After" in response.headers) == (response.status == 503)
