"""TorchServe's gRPC messages, read as they may come from anybody."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket, ServingError, TooLarge
from paddle_serving_client.wire import torchserve_proto as proto
from paddle_serving_client.wire.protobuf import bytes_field, number_field


def entry(key: bytes, value: bytes) -> bytes:
    return b"".join(bytes_field(3, *bytes_field(1, key), *bytes_field(2, value)))


def test_a_prediction() -> None:
    message = b"".join([*bytes_field(1, b"m"), *bytes_field(2, b"1.0"), *bytes_field(4, b"s")])
    found = proto.decode_predictions(message + entry(b"data", b"\x00\xff") + entry(b"more", b""))
    assert (found.model, found.version, found.sequence) == ("m", "1.0", "s")
    assert found.inputs == {"data": b"\x00\xff", "more": b""}
    assert proto.decode_predictions(b"") == proto.PredictionsRequest()


def test_management() -> None:
    message = b"".join([*bytes_field(1, b"m"), number_field(3, 4), number_field(4, 2), number_field(6, 1)])
    asked = proto.decode_management("ScaleWorker", message)
    assert (asked.text("model_name"), asked.number("max_worker"), asked.number("min_worker")) == ("m", 4, 2)
    assert (asked.number("synchronous"), asked.number("timeout"), asked.text("model_version")) == (1, 0, "")
    infinite = proto.decode_management("ScaleWorker", number_field(7, (1 << 64) - 1))
    assert infinite.number("timeout") == -1


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"".join(bytes_field(1, b"\xff")), BadPacket),
        (b"".join(bytes_field(1, b"x" * 100_000)), TooLarge),
        (b"".join(entry(b"%d" % k, b"") for k in range(proto.MAX_INPUTS + 1)), TooLarge),
        (number_field(1, 1), BadPacket),
        (b"\x0a\x05ab", BadPacket),
    ],
)
def test_what_is_no_prediction(message: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        proto.decode_predictions(message)


def test_a_text_that_is_too_long() -> None:
    with pytest.raises(TooLarge, match="url has 5000 bytes"):
        proto.decode_management("RegisterModel", b"".join(bytes_field(9, b"x" * 5000)))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_an_error(message: bytes) -> None:
    for read in (proto.decode_predictions, lambda m: proto.decode_management("RegisterModel", m)):
        with contextlib.suppress(ServingError):
            read(message)
