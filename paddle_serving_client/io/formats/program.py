"""Paddle 1 and Paddle 2: a ProgramDesc (protobuf) with its parameters in one file or in one file each."""

from pathlib import Path, PurePath

from google.protobuf.message import DecodeError

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import params as parameter_files
from paddle_serving_client.io.source import ModelFile, Names, Source, variable
from paddle_serving_client.io.var_type import code_of
from paddle_serving_client.manifest import open_regular
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.proto import framework_pb2 as pb

EXPECTED = "*.pdmodel with *.pdiparams (Paddle 2), or __model__ with __params__ or one file per parameter (Paddle 1)"

_ENDINGS = (".pdmodel", "__model__", "model")
_DEFAULT_NAME = "model.pdmodel"
_FIRST_BYTE = b"\x0a"  # field 1 (blocks), a length follows
_MAX_BYTES = 1 << 28
_FEED, _FETCH = b"feed", b"fetch"
_DENSE_TENSOR, _FEED_LIST, _FETCH_LIST, _RAW = 7, 9, 10, 17


def may_be_model(name: str) -> bool:
    """Paddle 2's ending, Paddle 1's name, and the bare name that some model zoos used."""
    return name.endswith((".pdmodel", "__model__")) or name == "model"


def claims(head: bytes) -> bool:
    """A ProgramDesc begins with its first block."""
    return head.startswith(_FIRST_BYTE)


def read(folder: Path, model: str, params: str | None, wanted: Names) -> Source:
    """Read a program; see `Format.read`."""
    path = folder / model
    program = _parse(path)
    try:
        feeds, fetches, parameters = _variables(path, program.blocks[0])
    except UnicodeDecodeError as exc:
        raise BadModel(f"{path}: damaged: a name in it is not text") from exc
    parts = parameter_files.locate(folder, model, params, parameters)
    name = _model_name(model, wanted.model)
    files = [ModelFile(name, (path,))]
    if parts:
        files.append(ModelFile(parameter_files.combined_name(name, parts, wanted.params), parts))
    kind = "Paddle 2 program" if model.endswith(".pdmodel") else "Paddle 1 program"
    return Source(kind, feeds, fetches, tuple(files), has_ordered_fetches=False)


def _parse(path: Path) -> pb.ProgramDesc:
    with open_regular(path) as stream:
        raw = stream.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise BadModel(f"{path}: more than {_MAX_BYTES} bytes; a program without its parameters is smaller")
    try:
        program = pb.ProgramDesc.FromString(raw)
    except DecodeError as exc:
        raise BadModel(f"{path}: not a Paddle program, or cut short ({len(raw)} bytes)") from exc
    if not program.blocks or not program.IsInitialized():
        raise BadModel(f"{path}: not a Paddle program: it has no block, or lacks what every program has")
    return program


def _variables(
    path: Path, block: pb.BlockDesc
) -> tuple[tuple[Variable, ...], tuple[Variable, ...], list[parameter_files.Parameter]]:
    """Inputs and outputs in the order of their columns, and the parameters."""
    vars_by_name = {var.name.decode(): var for var in block.vars}
    feeds: dict[int, Variable] = {}
    fetches: dict[int, Variable] = {}
    for op in block.ops:
        if op.type not in (_FEED, _FETCH):
            continue
        columns, slots = (feeds, op.outputs) if op.type == _FEED else (fetches, op.inputs)
        name = next((slot.arguments[0].decode() for slot in slots if slot.arguments), "")
        if name not in vars_by_name:
            raise BadModel(f"{path}: damaged: an operator {op.type.decode()} is for {name[:64]!r}, no variable of it")
        column = next((attr.i for attr in op.attrs if attr.name == b"col"), len(columns))
        columns[column] = _variable(name, vars_by_name[name])
    parameters = [
        parameter_files.Parameter(name, tuple(var.type.lod_tensor.tensor.dims))
        for name, var in vars_by_name.items()
        if var.persistable and var.type.type not in (_FEED_LIST, _FETCH_LIST, _RAW)
    ]
    return _in_order(feeds), _in_order(fetches), parameters


def _in_order(columns: dict[int, Variable]) -> tuple[Variable, ...]:
    # A variable that is fetched twice is one output: Paddle Serving 0.9 knew outputs by their names.
    return tuple({columns[col].name: columns[col] for col in sorted(columns)}.values())


def _variable(name: str, var: pb.VarDesc) -> Variable:
    if var.type.type != _DENSE_TENSOR:  # a list of texts, an array of tensors: there is no code for it
        return variable(name, dtype.UNKNOWN, ())
    tensor = var.type.lod_tensor.tensor
    return variable(name, code_of(tensor.data_type), tensor.dims, var.type.lod_tensor.lod_level)


def _model_name(source: str, wanted: str | None) -> str:
    if wanted is None:
        return PurePath(source).name if source.endswith(".pdmodel") else _DEFAULT_NAME
    name = PurePath(wanted).name
    return name if name.endswith(_ENDINGS) else f"{name.removesuffix('.json')}.pdmodel"
