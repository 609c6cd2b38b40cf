"""Messages between the processes of a server."""

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket
from paddle_serving_server.process import control

KINDS = list(control.KINDS.values())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_a_message_comes_as_it_went(data: st.DataObject) -> None:
    kind: Any = data.draw(st.sampled_from(KINDS))
    message = kind(**{name: data.draw(JSON) for name in kind.__dataclass_fields__})
    assert control.decode(control.encode(message)) == message


@given(st.binary(max_size=64) | JSON.map(lambda value: repr(value).encode()))
def test_whatever_is_no_message_is_refused(packet: bytes) -> None:
    with pytest.raises(BadPacket):
        control.decode(packet)


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b'{"is": "Nothing"}', "that is none"),
        (b'{"is": "Switched", "deployment": "a"}', "that is none"),
        (b'{"is": "Drain", "key": 1}', "a Drain with 'key'"),
        (b"[]", "that is none"),
    ],
)
def test_what_is_wrong_is_said(packet: bytes, words: str) -> None:
    with pytest.raises(BadPacket, match=words):
        control.decode(packet)


def test_what_is_too_large_is_refused_where_it_is_sent() -> None:
    with pytest.raises(BadPacket, match="a Failed of .* bytes"):
        control.encode(control.Failed("x" * control.MAX_BYTES))


def test_the_end_of_a_line_is_none() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            control.send(theirs, control.Drain())
        assert control.receive(ours) == control.Drain()
        assert control.receive(ours) is None


def test_a_long_reason_is_cut_so_that_it_can_be_handed_on() -> None:
    failed = control.Failed.because("\x00" * control.MAX_BYTES)
    assert control.decode(control.encode(failed)) == failed
    control.encode(control.Reloaded("x" * 64, {"state": "refused", "reason": failed.reason, "at": "now"}))
    assert control.Failed.because("short").reason == "short"
