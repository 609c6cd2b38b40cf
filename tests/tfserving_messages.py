"""Messages of TensorFlow Serving as its callers write and read them."""

from collections.abc import Mapping

from paddle_serving_client.message import Array
from paddle_serving_client.wire import tfserving_proto, tfserving_tensor
from paddle_serving_client.wire.protobuf import BYTES, MessageType, bytes_field
from paddle_serving_client.wire.tfserving_proto import PredictRequest


def encode_predict(request: PredictRequest) -> bytes:
    """Write a `PredictRequest`."""
    parts = bytes_field(1, tfserving_proto.spec_of(request.wanted))
    for name, array in request.inputs.items():
        parts += tfserving_proto._entry(2, name, tfserving_tensor.encode(array, f"input {name!r}"))
    for name in request.fetch:
        parts += bytes_field(3, name.encode())
    return b"".join(parts)


def decode_prediction(payload: bytes | memoryview) -> Mapping[str, Array]:
    """Read a `PredictResponse`: the outputs.

    Raises:
        BadPacket: not such a message.
    """
    got = MessageType(outputs=(1, BYTES)).read(memoryview(payload))
    entries = [tfserving_proto._ENTRY.read(entry) for entry in got.get("outputs", ())]
    room = tfserving_tensor.MAX_REPEATED_BYTES
    named = [(tfserving_proto._text(entry, "key", "the name of an output"), entry["value"][-1]) for entry in entries]
    return {name: tfserving_tensor.decode(value, f"output {name!r}", room) for name, value in named}
