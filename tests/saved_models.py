"""SavedModels for tests, written without TensorFlow: a graph of constants, and what its signatures say of it."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paddle_serving_client.wire.protobuf import bytes_field, number_field
from paddle_serving_client.wire.tfserving import DataType

Field = bytes
WEIGHT = np.array([[1.0], [2.0], [3.0]], np.float32)


def message(*fields: bytes) -> bytes:
    """Fields, one after the other."""
    return b"".join(fields)


def field(number: int, value: bytes | str) -> Field:
    """One of text, bytes or a message."""
    return b"".join(bytes_field(number, value.encode() if isinstance(value, str) else value))


def entry(number: int, key: str, value: bytes) -> Field:
    """An entry of a map."""
    return field(number, message(field(1, key), field(2, value)))


def shape(dims: Sequence[int] | None) -> bytes:
    """A TensorShapeProto."""
    if dims is None:
        return number_field(3, 1)
    return message(*(field(2, number_field(1, dim)) for dim in dims))


def node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    """A NodeDef; attributes are AttrValues."""
    parts = [field(1, name), field(2, op), *(field(3, item) for item in inputs)]
    return message(*parts, *(entry(5, key, value) for key, value in attributes.items()))


def call(function: str) -> bytes:
    """The function that a node runs, as an attribute."""
    return field(10, field(1, function))


def kind(value: DataType) -> bytes:
    """A type, as an attribute."""
    return number_field(6, value)


def placeholder(name: str, of: DataType, dims: Sequence[int] | None) -> bytes:
    """An input of the graph."""
    return node(name, "Placeholder", dtype=kind(of), shape=field(7, shape(dims)))


def constant(name: str, value: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bytes:
    """A constant of float32."""
    content = struct.pack(f"<{value.size}f", *value.ravel())
    tensor = message(number_field(1, DataType.DT_FLOAT), field(2, shape(value.shape)), field(4, content))
    return node(name, "Const", dtype=kind(DataType.DT_FLOAT), value=field(8, tensor))


def tensor(name: str, of: DataType, dims: Sequence[int] | None) -> bytes:
    """A TensorInfo."""
    return message(field(1, name) if name else b"", number_field(2, of), field(3, shape(dims)))


def signature(inputs: Mapping[str, bytes], outputs: Mapping[str, bytes]) -> bytes:
    """A SignatureDef."""
    parts = [entry(1, key, value) for key, value in inputs.items()]
    parts += [entry(2, key, value) for key, value in outputs.items()]
    return message(*parts, field(3, "tensorflow/serving/predict"))


def function(name: str, args: Sequence[str], nodes: Sequence[bytes]) -> bytes:
    """A FunctionDef."""
    head = message(field(1, name), *(field(2, field(1, arg)) for arg in args))
    return message(field(1, head), *(field(3, item) for item in nodes))


def saved_model(
    nodes: Sequence[bytes], signatures: Mapping[str, bytes], functions: Sequence[bytes] = (), tag: str = "serve"
) -> bytes:
    """A SavedModel of one graph."""
    library = field(2, message(*(field(1, item) for item in functions))) if functions else b""
    graph = message(*(field(1, item) for item in nodes), library)
    meta = message(field(1, field(4, tag)), field(2, graph))
    meta += message(*(entry(5, name, value) for name, value in signatures.items()))
    return message(number_field(1, 1), field(2, meta))


def write(folder: Path, content: bytes) -> Path:
    """A folder with that model."""
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    return folder


def weighted(folder: Path, *names: str) -> Path:
    """Signature by signature: x float32[-1, 3] -> sum float32[-1, 1], times 1, 2, 3; `twice` has 2 * x as well."""
    floats = DataType.DT_FLOAT
    nodes = [placeholder("in", floats, (-1, 3)), constant("w", WEIGHT), constant("two", np.array([2.0], np.float32))]
    attributes = {"T": kind(floats), "transpose_a": number_field(5, 0), "transpose_b": number_field(5, 0)}
    nodes += [node("dot", "MatMul", "in", "w", **attributes), node("mul", "Mul", "in", "two", T=kind(floats))]
    inputs = {"x": tensor("in:0", floats, (-1, 3))}
    total = {"sum": tensor("dot:0", floats, (-1, 1))}
    twice = {**total, "twice": tensor("mul:0", floats, (-1, 3))}
    made = {name: signature(inputs, twice if name == "twice" else total) for name in names or ("serving_default",)}
    return write(folder, saved_model(nodes, made))
