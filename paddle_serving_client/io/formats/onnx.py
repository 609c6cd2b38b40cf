"""ONNX: one file, which may name others that hold large weights ("external data").

The file is copied as it is, but for a ZipMap. What it names must lie in its folder: such a path comes out of the file
and is not trusted.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import zipmap
from paddle_serving_client.io.source import ModelFile, Names, Source, variable
from paddle_serving_client.manifest import open_inside, open_regular
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.proto import onnx_pb2 as pb

EXPECTED = "one *.onnx"

CONVERTED = "converted-"
"""Begins the name of the ONNX form of the Paddle program that it lies beside; what follows is the program's digest."""

_FIRST_BYTE = b"\x08"  # field 1 (ir_version), a number follows
_MAX_BYTES = (1 << 31) - 1  # of any protobuf message
_MAX_EXTERNAL_FILES = 1 << 14
_MAX_DIGITS = 18  # of an offset or a length
_EXTERNAL = 1
_OTHER_KINDS = {4: "a sequence", 5: "a map", 8: "a sparse tensor", 9: "optional"}
"""By the numbers of the fields of TypeProto."""
CODES = {1: 1, 2: 7, 3: 8, 4: 21, 5: 4, 6: 2, 7: 0, 8: dtype.STRING, 9: 9, 10: 5, 11: 3, 12: 22, 13: 23}
CODES |= {14: 10, 15: 11, 16: 6}


Dims = tuple[int, ...] | None
"""Of a shape; -1 may vary; None where the model does not say."""


def may_be_model(name: str) -> bool:
    """The usual ending; what was made of a Paddle program is not the model of its folder."""
    return name.endswith(".onnx") and not name.startswith(CONVERTED)


def claims(head: bytes) -> bool:
    """A ModelProto begins with its version."""
    return head.startswith(_FIRST_BYTE)


def read(folder: Path, model: str, params: str | None, wanted: Names) -> Source:
    """Read a model; see `Format.read`."""
    path = folder / model
    if params is not None:
        raise BadModel(f"{path} is an ONNX model, which has no parameter file; {params!r} was given")
    proto = _parse(path)
    notes = zipmap.taken_out(proto)
    try:
        held = {tensor.name for tensor in proto.graph.initializer}
        feeds = tuple(_variable(path, "input", info) for info in proto.graph.input if info.name not in held)
        fetches = tuple(_variable(path, "output", info) for info in proto.graph.output)
        external = _external_files(folder, path, proto)
    except UnicodeDecodeError as exc:
        raise BadModel(f"{path}: damaged: a name in it is not text") from exc
    name = PurePath(wanted.model or model).name
    if not name.endswith(".onnx"):
        name = f"{name}.onnx"
    content = proto.SerializeToString() if notes else None
    files = [ModelFile(name, (path,), content), *(ModelFile(file, (folder / file,)) for file in sorted(external))]
    return Source("ONNX model", feeds, fetches, tuple(files), may_lack_types=True, notes=tuple(notes))


def shapes(path: Path) -> tuple[dict[str, tuple[int, Dims]], dict[str, tuple[int, Dims]]]:
    """The inputs and the outputs of a model by name: code of the element type, and the shape with all its axes.

    Raises:
        BadModel: it is damaged, or has an input or output that cannot be served.
    """
    proto = _parse(path)
    zipmap.taken_out(proto)
    held = {tensor.name for tensor in proto.graph.initializer}
    try:
        feeds = [(_variable(path, "input", info), info) for info in proto.graph.input if info.name not in held]
        fetches = [(_variable(path, "output", info), info) for info in proto.graph.output]
    except UnicodeDecodeError as exc:
        raise BadModel(f"{path}: damaged: a name in it is not text") from exc
    inputs = {variable.name: (variable.elem_type, _dims(info)) for variable, info in feeds}
    return inputs, {variable.name: (variable.elem_type, _dims(info)) for variable, info in fetches}


def _dims(info: pb.ValueInfoProto) -> Dims:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)


def _parse(path: Path) -> pb.ModelProto:
    with open_regular(path) as stream:
        raw = stream.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise BadModel(f"{path}: more than {_MAX_BYTES} bytes; an ONNX file cannot be larger")
    try:
        proto = pb.ModelProto.FromString(raw)
    except DecodeError as exc:
        raise BadModel(f"{path}: not an ONNX model, or cut short ({len(raw)} bytes)") from exc
    if not proto.HasField("graph") or not proto.opset_import:
        raise BadModel(f"{path}: not an ONNX model, or cut short: it has no graph, or does not say its operator set")
    return proto


def _variable(path: Path, kind: str, info: pb.ValueInfoProto) -> Variable:
    """An input or output; one that the model says no type of has one that libraries find out.

    Raises:
        BadModel: it is of a type that cannot be served.
    """
    name = info.name.decode()
    tensor = info.type.tensor_type
    code = CODES.get(tensor.elem_type, dtype.UNKNOWN)
    if (is_ := _unservable(info.type, code)) is not None:
        what, remedy = is_
        raise BadModel(f"{path}: {kind} {name[:64]!r} is {what}, which cannot be served: {remedy}")
    dims = (dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    return variable(name, code, dims)


def _unservable(type_: pb.TypeProto, code: int) -> tuple[str, str] | None:
    """What a type is that cannot be served, and what to do; None for others, and where there is no type."""
    if not type_.HasField("tensor_type"):
        unknown = UnknownFieldSet(type_)
        numbers = (unknown[i].field_number for i in range(len(unknown)))
        others = [_OTHER_KINDS[number] for number in numbers if number in _OTHER_KINDS]
        return (others[0], "only tensors can; export the model without it") if others else None
    elem_type = type_.tensor_type.elem_type
    if elem_type and code == dtype.UNKNOWN:
        return f"of ONNX's type {elem_type}", "cast it in the model, to float32 or int64"
    return None


def _external_files(folder: Path, path: Path, proto: pb.ModelProto) -> set[str]:
    """The names of the files with external data, each checked to be inside the folder and long enough."""
    needed: dict[str, int] = {}
    for tensor in _tensors(proto):
        if tensor.data_location != _EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get(b"location", b"").decode()
        offset, length = (entries.get(key, b"0") for key in (b"offset", b"length"))
        if not location or any(not text.isdigit() or len(text) > _MAX_DIGITS for text in (offset, length)):
            raise BadModel(f"{path}: damaged: the external data of {tensor.name[:64]!r} says {str(entries)[:256]}")
        needed[location] = max(needed.get(location, 0), int(offset) + int(length))
        if len(needed) > _MAX_EXTERNAL_FILES:
            raise BadModel(f"{path}: its weights are in more than {_MAX_EXTERNAL_FILES} files")
    for name, end in needed.items():
        with open_inside(folder, name) as stream:
            size = os.fstat(stream.fileno()).st_size
        if size < end:
            raise BadModel(f"{folder / name}: {size} bytes, but {path.name} has weights in it up to byte {end}")
    return set(needed)


def _tensors(proto: pb.ModelProto) -> Iterator[pb.TensorProto]:
    """Every tensor of a model, wherever it is. The depth of graphs in graphs is bounded by protobuf's own limit."""
    graphs = [proto.graph]
    for training in proto.training_info:
        graphs += [training.initialization, training.algorithm]
    nodes = [node for function in proto.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs += [attribute.g, *attribute.graphs]
