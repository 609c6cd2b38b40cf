"""Every element type from a caller to a model and back: as JSON, as .npy, and over GeneralModelService."""

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.message import Array
from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.tensors import WireRequest, WireTensor
from paddle_serving_server.services.web_service import WebService
from tests import identity
from tests.element_arrays import are_same
from tests.server.protocols.transport import Ask, serving

NUMBERS = {row.name: row.code for row in dtype.ELEM_TYPES.values() if row.name != "string" and row.kserve}
MOST = {"uint16": 2**16 - 1, "uint32": 2**32 - 1, "uint64": 2**64 - 1, "bfloat16": 3.0}
MODEL = "m"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A service that gives back strings."""
    with serving(identity.model(tmp_path_factory.mktemp("m") / "m", {"s": dtype.STRING}), WebService(MODEL)) as ask:
        yield ask


@pytest.fixture(scope="module", params=sorted(MOST))
def number(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Ask]]:
    """A type that Paddle Serving does not have, and a service that gives back arrays of it."""
    name = request.param
    with serving(identity.model(tmp_path_factory.mktemp("m") / "m", {"x": NUMBERS[name]}), WebService(MODEL)) as ask:
        yield name, ask


def posted(ask: Ask, body: bytes, kind: str = "application/json", accept: str = "*/*") -> tuple[int, bytes]:
    head = f"POST /{MODEL}/prediction HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nAccept: {accept}\r\n"
    said, _ = ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    top, _, answer = said.partition(b"\r\n\r\n")
    return int(top.split()[1]), answer


def asked(ask: Ask, instances: list[dict[str, Any]]) -> tuple[int, Any]:
    status, answer = posted(ask, json.dumps({"feed": instances}).encode())
    return status, json.loads(answer)


def called(ask: Ask, array: Array, name: str) -> Array:
    request = WireRequest(tensors=(WireTensor(name=name, array=array),))
    said, _ = ask(brpc.request_frame("GeneralModelService", "inference", 1, general_model.encode_request(request)))
    reader = brpc.FrameReader(reads="replies")
    reader.feed(said)
    frame = reader.next()
    assert frame is not None and frame.meta.response.error_code == 0, frame
    (output,) = general_model.decode_response(frame.payload).outputs
    return output.tensors[0].array


@pytest.mark.parametrize(
    "rows",
    [
        [["a", "größer"], ["", "東京"]],
        [["\0", '"\\']],
    ],
)
def test_strings_as_text(texts: Ask, rows: list[list[str]]) -> None:
    assert asked(texts, [{"s": row} for row in rows]) == (200, {"result": {"s_out": rows}})


def test_strings_in_base64(texts: Ask) -> None:
    assert asked(texts, [{"s": [{"b64": "w6Q="}, "b"]}]) == (200, {"result": {"s_out": [["ä", "b"]]}})
    status, said = asked(texts, [{"s": [{"b64": "/w=="}]}])
    assert status == 400 and "not UTF-8" in json.dumps(said)


@pytest.mark.parametrize("value", [[1], [None], [{"b65": "a"}], [["a"], "b"], [True]])
def test_what_is_no_string(texts: Ask, value: object) -> None:
    status, said = asked(texts, [{"s": value}])
    assert status == 400 and "input 's'" in json.dumps(said)


def test_strings_of_fixed_width_as_npy(texts: Ask) -> None:
    for array in (np.array([["a", "ü"]]), np.array([[b"a", "ü".encode()]])):
        file = io.BytesIO()
        np.save(file, array)
        status, said = posted(texts, file.getvalue(), "application/x-npy")
        assert (status, json.loads(said)) == (200, {"result": {"s_out": [["a", "ü"]]}})
    status, said = posted(texts, file.getvalue(), "application/x-npy", "application/x-npy")
    assert status == 400 and b"strings" in said


def test_numbers_as_json(number: tuple[str, Ask]) -> None:
    name, ask = number
    row = [0, MOST[name]]
    assert asked(ask, [{"x": row}]) == (200, {"result": {"x_out": [row]}})
    assert asked(ask, [{"x": row * 200}]) == (200, {"result": {"x_out": [row * 200]}})
    if name != "bfloat16":
        for wrong in (-1, MOST[name] + 1):
            assert asked(ask, [{"x": [0, wrong]}])[0] == 400


def test_numbers_as_npy(number: tuple[str, Ask]) -> None:
    name, ask = number
    if name == "bfloat16":
        status, said = posted(ask, b'{"feed":[{"x":[1.5]}]}', accept="application/x-npy")
        kind = "float32"
        wanted = np.array([[1.5]], np.float32)
    else:
        kind = name
        wanted = np.array([[0, MOST[name]]], kind)
        file = io.BytesIO()
        np.save(file, wanted)
        status, said = posted(ask, file.getvalue(), "application/x-npy", "application/x-npy")
    assert status == 200, said
    found = np.load(io.BytesIO(said))
    assert found.dtype == kind and are_same(found, wanted)


def test_numbers_over_general_model_service(number: tuple[str, Ask]) -> None:
    name, ask = number
    array = np.array([[0, MOST[name], 1]], dtype.numpy_of(NUMBERS[name]))
    for _ in range(2):  # the second time as one like the first
        assert are_same(called(ask, array, "x"), array)


def test_strings_over_general_model_service(texts: Ask) -> None:
    array = byte_strings.of([["ä", ""], ["a\0b", "c"]], "s")
    for _ in range(2):
        assert are_same(called(texts, array, "s"), array)
