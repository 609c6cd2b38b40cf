"""What libraries say, made fit to be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_app.library_error import raised_as, text_of
from paddle_serving_client.errors import BackendFailed, BadModel


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("(NotFound) No.\n  [Hint: a == b] (at /paddle/paddle/x.cc:12)\n", "(NotFound) No. [Hint: a == b]"),
        ("Exception from src/inference/src/cpp/core.cpp:84:\nnot a model", "not a model"),
        ("tensor <Tensor object at 0x7f12ab34cd56>", "tensor <Tensor object at 0x...>"),
        ("bytes \ud800 \x00\x1b[31m end", "bytes ? [31m end"),
        ("", "RuntimeError"),
    ],
)
def test_text(said: str, shown: str) -> None:
    assert text_of(RuntimeError(said)) == shown


@given(st.text(alphabet=st.characters(), max_size=2000))
def test_any_text_becomes_one_valid_short_line(said: str) -> None:
    shown = text_of(said)
    assert shown == shown.encode().decode()
    assert len(shown.splitlines()) == 1
    assert len(shown) <= 500


def test_raised_as() -> None:
    with pytest.raises(BackendFailed, match="^Paddle: bad allocation$") as caught, raised_as(BackendFailed, "Paddle"):
        raise MemoryError("bad\nallocation")
    assert isinstance(caught.value.__cause__, MemoryError)


def test_our_own_errors_pass() -> None:
    with pytest.raises(BadModel, match="^as it was$"), raised_as(BackendFailed, "Paddle"):
        raise BadModel("as it was")
