"""TensorFlow's `saved_model.pb`, without TensorFlow: its signatures, and the operators that a signature needs.

    SavedModel   {2 meta_graphs}
    MetaGraphDef {1 meta_info {4 tags}, 2 graph {1 nodes, 2 library {1 functions}}, 5 signatures {1 key, 2 value}}
    SignatureDef {1 inputs {1 key, 2 TensorInfo}, 2 outputs, 3 method}

Source: tensorflow/tensorflow, `core/protobuf/{saved_model,meta_graph}.proto`, `core/framework/{graph,function}.proto`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from paddle_serving_client.errors import BadModel, BadPacket, TooLarge
from paddle_serving_client.manifest import open_regular
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import BYTES, VARINT, MessageType

NAME: Final = "saved_model.pb"
TAG: Final = "serve"
"""Of the graph that is for serving."""

_MAX_BYTES: Final = (1 << 31) - 1
"""Of any protobuf message."""
_MAX_NODES: Final = 1 << 20
"""Of a graph, or in all functions of one."""
_MAX_SIGNATURES: Final = 256
_MAX_TENSORS: Final = 4096
"""Of a signature."""
_MAX_RANK: Final = 32
_REF: Final = 100
"""Added to the number of a type where a variable itself is meant."""

_MODEL = MessageType(graphs=(2, BYTES))
_META = MessageType(info=(1, BYTES), graph=(2, BYTES), signatures=(5, BYTES))
_INFO = MessageType(tags=(4, BYTES))
_GRAPH = MessageType(nodes=(1, BYTES), library=(2, BYTES))
_LIBRARY = MessageType(functions=(1, BYTES))
_FUNCTION = MessageType(signature=(1, BYTES), nodes=(3, BYTES), results=(4, BYTES))
_OP_DEF = MessageType(name=(1, BYTES), args=(2, BYTES), results=(3, BYTES))
_ARG = MessageType(name=(1, BYTES))
_NODE = MessageType(name=(1, BYTES), op=(2, BYTES), inputs=(3, BYTES), attributes=(5, BYTES))
_ENTRY = MessageType(key=(1, BYTES), value=(2, BYTES))
_ATTRIBUTE = MessageType(items=(1, BYTES), function=(10, BYTES))
_LIST = MessageType(functions=(9, BYTES))
_FUNCTION_NAME = MessageType(name=(1, BYTES))
_SIGNATURE = MessageType(inputs=(1, BYTES), outputs=(2, BYTES), method=(3, BYTES))
_TENSOR = MessageType(name=(1, BYTES), type=(2, VARINT), shape=(3, BYTES), sparse=(4, BYTES), composite=(5, BYTES))
_SHAPE = MessageType(dims=(2, BYTES), unknown=(3, VARINT))
_DIM = MessageType(size=(1, VARINT))

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a signature."""

    key: str
    """What callers call it."""
    name: str
    """In the graph: `serving_default_x:0`; empty for what is no plain tensor."""
    data_type: int
    """The number of its type in `DataType`."""
    shape: tuple[int, ...] | None
    """With the batch axis, -1 for a dimension that may vary; None where not even the rank is known."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call the model."""

    name: str
    inputs: tuple[Tensor, ...]
    """In the order of their keys: the file has none."""
    outputs: tuple[Tensor, ...]
    method: str
    """`tensorflow/serving/predict`, or another of its kind."""


@dataclass(frozen=True, slots=True)
class Node:
    """A step of a graph or function."""

    name: str
    op: str
    inputs: tuple[str, ...]
    """Where its values come from; those that begin with ^ only come before it."""
    calls: tuple[str, ...]
    """The functions that it runs."""


@dataclass(frozen=True, slots=True)
class Function:
    """A graph that nodes call."""

    args: tuple[str, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What is read of one."""

    signatures: Mapping[str, Signature]
    nodes: Mapping[str, Node]
    functions: Mapping[str, Function]

    def needed(self, signature: Signature) -> Iterator[Node]:
        """Every node that the outputs of a signature need, those of the functions that are called among them."""
        wanted = [_node_of(output.name) for output in signature.outputs]
        seen: set[str] = set()
        called: set[str] = set()
        while wanted:
            node = self.nodes.get(wanted.pop())
            if node is None or node.name in seen:
                continue
            seen.add(node.name)
            wanted += map(_node_of, node.inputs)
            yield node
            yield from self._inside(node, called)

    def consumer(self, tensor: str) -> str | None:
        """The operator that takes a tensor of the graph first, followed into the functions that it is handed to."""
        places: list[tuple[Sequence[Node], str]] = [(tuple(self.nodes.values()), tensor.removesuffix(":0"))]
        seen: set[tuple[int, str]] = set()
        while places:
            nodes, name = places.pop()
            if (id(nodes), name) in seen:
                continue
            seen.add((id(nodes), name))
            for node in nodes:
                for at, source in enumerate(node.inputs):
                    if source.removesuffix(":0") != name:
                        continue
                    if node.op in _PASSING:
                        places.append((nodes, node.name))
                        places.append((nodes, f"{node.name}:output"))
                    elif handed := [f for call in node.calls if (f := self.functions.get(call)) and at < len(f.args)]:
                        places += [(function.nodes, function.args[at]) for function in handed]
                    else:
                        return node.op
        return None

    def _inside(self, node: Node, called: set[str]) -> Iterator[Node]:
        waiting = list(node.calls)
        while waiting:
            name = waiting.pop()
            if name in called or name not in self.functions:
                continue
            called.add(name)
            for inner in self.functions[name].nodes:
                waiting += inner.calls
                yield inner


_PASSING: Final = frozenset(("Identity", "IdentityN", "Placeholder", "PlaceholderWithDefault"))


def read(path: Path) -> SavedModel:
    """Read a `saved_model.pb`.

    Raises:
        BadModel: it is missing, damaged, over a limit, or has no graph for serving.
    """
    with open_regular(path) as stream:
        raw = stream.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise BadModel(f"{path}: more than {_MAX_BYTES} bytes; a SavedModel's graph cannot be larger")
    try:
        return _read(path, memoryview(raw))
    except (BadPacket, TooLarge, UnicodeDecodeError) as exc:
        raise BadModel(f"{path}: not a SavedModel, or damaged ({len(raw)} bytes): {exc}") from exc


def _read(path: Path, raw: memoryview) -> SavedModel:
    metas = [_META.read(meta) for meta in _MODEL.read(raw).get("graphs", ())]
    tags = [_texts(_one(_INFO, meta, "info"), "tags") for meta in metas]
    exactly = [meta for meta, its in zip(metas, tags, strict=True) if set(its) == {TAG}]
    serving = exactly or [meta for meta, its in zip(metas, tags, strict=True) if TAG in its]
    if not serving:
        found = "; ".join(", ".join(its) or "none" for its in tags) or "no graph at all"
        raise BadModel(f"{path}: no graph is tagged {TAG!r}, as those for serving are; the tags are: {found}")
    meta = serving[0]
    graph = _one(_GRAPH, meta, "graph", _MAX_NODES)
    nodes = {node.name: node for node in map(_node, graph.get("nodes", ()))}
    library = _one(_LIBRARY, graph, "library", _MAX_NODES)
    functions: dict[str, Function] = {}
    room = _MAX_NODES
    for item in library.get("functions", ()):
        name, function = _function(item, room)
        room -= len(function.nodes)
        functions[name] = function
    signatures = _map(meta, "signatures", _MAX_SIGNATURES, _signature)
    return SavedModel({signature.name: signature for signature in signatures}, nodes, functions)


def _function(message: memoryview, room: int) -> tuple[str, Function]:
    fields = _FUNCTION.read(message, most=max(room, 1))
    head = _one(_OP_DEF, fields, "signature")
    args = tuple(_text(_ARG.read(arg), "name") for arg in head.get("args", ()))
    return _text(head, "name"), Function(args, tuple(map(_node, fields.get("nodes", ()))))


def _node(message: memoryview) -> Node:
    fields = _NODE.read(message, most=_MAX_NODES)
    calls: list[str] = []
    for entry in fields.get("attributes", ()):
        value = _one(_ATTRIBUTE, _ENTRY.read(entry), "value")
        called = list(value.get("function", ()))
        if "items" in value:
            called += _LIST.read(value["items"][-1], most=_MAX_NODES, runs=True).get("functions", ())
        calls += [_text(_FUNCTION_NAME.read(name), "name") for name in called]
    return Node(_text(fields, "name"), _text(fields, "op"), _texts(fields, "inputs"), tuple(calls))


def _signature(name: str, message: memoryview) -> Signature:
    fields = _SIGNATURE.read(message)
    inputs, outputs = (
        tuple(sorted(_map(fields, kind, _MAX_TENSORS, _tensor), key=lambda tensor: tensor.key))
        for kind in ("inputs", "outputs")
    )
    return Signature(name, inputs, outputs, _text(fields, "method"))


def _tensor(key: str, message: memoryview) -> Tensor:
    fields = _TENSOR.read(message)
    shape = _one(_SHAPE, fields, "shape")
    dims: tuple[int, ...] | None = None
    if "shape" in fields and not protobuf.last_number(shape, "unknown"):
        sizes = shape.get("dims", ())
        if len(sizes) > _MAX_RANK:
            raise TooLarge(f"{key[:64]!r} has {len(sizes)} dimensions")
        dims = tuple(max(-1, protobuf.signed(protobuf.last_number(_DIM.read(size), "size"))) for size in sizes)
    kind = protobuf.last_number(fields, "type")
    return Tensor(key, _text(fields, "name"), kind - _REF if kind > _REF else kind, dims)


def _map(
    fields: Mapping[str, Sequence[memoryview]], name: str, most: int, make: Callable[[str, memoryview], _T]
) -> list[_T]:
    """The entries of a map, the last one of a key, as protobuf has it."""
    entries = fields.get(name, ())
    if len(entries) > most:
        raise TooLarge(f"{len(entries)} {name}; at most {most} are read")
    found: dict[str, _T] = {}
    for entry in entries:
        item = _ENTRY.read(entry)
        key = _text(item, "key")
        found[key] = make(key, item["value"][-1] if "value" in item else memoryview(b""))
    return list(found.values())


def _one(
    kind: MessageType, fields: Mapping[str, Sequence[memoryview]], name: str, most: int = protobuf.MAX_FIELDS
) -> dict[str, list[memoryview]]:
    """A message inside another; an empty one where it is not there."""
    return kind.read(fields[name][-1], most=most) if name in fields else {}


def _text(fields: Mapping[str, Sequence[memoryview]], name: str) -> str:
    return bytes(fields[name][-1]).decode() if name in fields else ""


def _texts(fields: Mapping[str, Sequence[memoryview]], name: str) -> tuple[str, ...]:
    return tuple(bytes(item).decode() for item in fields.get(name, ()))


def _node_of(tensor: str) -> str:
    """The node that gives a tensor: `a/b:1` and `^a/b` are of `a/b`."""
    return tensor.removeprefix("^").split(":", 1)[0]
