"""What is recalled is what would have been read."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire import general_model, recall
from paddle_serving_client.wire.protobuf import bytes_field, number_field, pack_few
from paddle_serving_client.wire.tensors import WireRequest

FLOATS = np.arange(4, dtype=np.float32).tobytes()
NAMES = st.sampled_from(["x", "y", "xy"])


def joined(*parts: object) -> bytes:
    return b"".join(bytes(part) for part in parts)  # type: ignore[call-overload]


@st.composite
def tensors(draw: st.DrawFn) -> bytes:
    """One tensor, its fields in any order, its values in one run, several, or in the field of another type."""
    values = draw(st.sampled_from([FLOATS, FLOATS[:8], FLOATS * 2]))
    carrier = draw(st.sampled_from([2, 2, 2, 1, 3, 9]))
    fields = [
        joined(*bytes_field(carrier, values)),
        joined(number_field(10, draw(st.sampled_from([1, 1, 1, 0, 2, 7])))),
        joined(*bytes_field(11, pack_few(draw(st.sampled_from([[4], [2, 2], [1, 4], [2], [8], [16]]))))),
        joined(*bytes_field(13, draw(NAMES).encode())),
    ]
    for extra in (bytes_field(carrier, FLOATS[:8]), bytes_field(14, draw(NAMES).encode()), bytes_field(12, b"\0\4")):
        if draw(st.integers(0, 5)) == 0:
            fields.append(joined(*extra))
    return b"".join(draw(st.permutations(fields)))


@st.composite
def calls(draw: st.DrawFn) -> list[bytes]:
    """One message, and others of its length: a byte or two changed, anywhere."""
    fields = [joined(*bytes_field(1, tensor)) for tensor in draw(st.lists(tensors(), min_size=1, max_size=2))]
    fields += [joined(*bytes_field(2, draw(NAMES).encode()))] * draw(st.integers(0, 2))
    fields += [joined(number_field(4, 5))] * draw(st.integers(0, 1))
    first = b"".join(draw(st.permutations(fields)))
    changes = st.dictionaries(st.integers(0, len(first) - 1), st.integers(0, 255), min_size=1, max_size=2)
    return [
        first,
        *(bytes(changed.get(k, byte) for k, byte in enumerate(first)) for changed in draw(st.lists(changes))),
    ]


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    recall._known.clear()
    yield
    recall._known.clear()


def read(message: bytes) -> object:
    """All that is in a message, or what is wrong with it."""
    try:
        request = general_model.decode_request(message)
    except ServingError as exc:
        return type(exc), str(exc)
    return said(request)


def said(request: WireRequest) -> object:
    found = [(t.name, t.alias, t.array.dtype, t.array.shape, t.array.tobytes(), t.lod) for t in request.tensors]
    return found, request.fetch, request.profile_server, request.log_id


@given(st.lists(calls(), min_size=1, max_size=3))
def test_what_is_recalled_is_what_would_have_been_read(several: list[list[bytes]]) -> None:
    messages = [message for messages in several for message in messages]
    recall._known.clear()
    with_memory = [read(message) for message in messages]
    for message, found in zip(messages, with_memory, strict=True):
        recall._known.clear()
        assert read(message) == found


def test_the_values_of_the_first_message_are_not_kept() -> None:
    tensor = (*bytes_field(2, FLOATS), number_field(10, 1), *bytes_field(11, b"\4"), *bytes_field(13, b"x"))
    message = joined(*bytes_field(1, joined(*tensor)))
    around = memoryview(bytearray(message + bytes(1 << 20)))
    general_model.decode_request(around[: len(message)])
    assert recall.recalled(memoryview(message)) is not None
    around.obj.clear()  # refused while anything is a view of it
