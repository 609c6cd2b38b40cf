"""The captured frames for the tests of the client, and the messages as Paddle Serving 0.9 declares them."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.proto import general_model_pb2
from tests.data import frames
from tests.data.frames import read

FOLDER = Path(frames.__file__).parent
CORRELATION_ID = 8589934594
"""Of every captured frame."""

_SCALARS = {
    "int64_data": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "float_data": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "int_data": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "float64_data": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "uint32_data": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "bool_data": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "complex64_data": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "complex128_data": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
}


def names(prefix: str) -> list[str]:
    """The captured frames, `req` or `rep`, without suffix."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}_*.bin"))


def frame(name: str) -> brpc.Frame:
    """A captured frame."""
    reader = brpc.FrameReader(reads="requests" if name.startswith("req") else "replies")
    reader.feed(read(f"{name}.bin"))
    whole = reader.next()
    assert whole is not None
    return whole


def payload(name: str) -> bytes:
    """What a captured frame carries, decompressed."""
    whole = frame(name)
    return bytes(brpc.decompress(whole.meta.compress_type, whole.payload))


def http_body(name: str) -> bytes:
    """The body of a captured HTTP request."""
    return read(f"{name}.bin").split(b"\r\n\r\n", 1)[1]


def config(name: str) -> str:
    """The folder of the client config that a request was captured with."""
    return str(FOLDER / "conf" / name)


def original_messages() -> dict[str, Any]:
    """Message classes with numbers declared as numbers, so that protobuf's runtime can be held against our reader."""
    file = descriptor_pb2.FileDescriptorProto()
    general_model_pb2.DESCRIPTOR.CopyToProto(file)
    tensor = next(message for message in file.message_type if message.name == "Tensor")
    for field in tensor.field:
        field.type = _SCALARS.get(field.name, field.type)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    classes = message_factory.GetMessageClassesForFiles([file.name], pool)
    return {name.removeprefix(f"{file.package}."): kind for name, kind in classes.items()}
