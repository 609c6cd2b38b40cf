"""Trained models as their frameworks leave them: tiny, real, and hand-built where no framework writes them any more."""

import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from paddle_serving_client import manifest
from paddle_serving_client.wire.proto import framework_pb2, onnx_pb2
from tests import models
from tests.models import Form

FLOAT32, INT64 = 5, 3
TENSOR, FEED_LIST, FETCH_LIST = 7, 9, 10


def uci(folder: Path, form: Form = "pdmodel") -> Path:
    """uci_housing as exported, without a config."""
    return _without_config(models.uci(folder, form))


def multi(folder: Path, form: Form = "pdmodel") -> Path:
    """Three inputs and three outputs as exported, without a config."""
    return _without_config(models.multi(folder, form))


def conv(folder: Path, form: Form = "pdmodel") -> Path:
    """Every dynamic dimension there is, as exported, without a config."""
    return _without_config(models.conv(folder, form))


def paddle1(folder: Path, *, combined: bool = False) -> Path:
    """uci_housing as Paddle 1 left it: the operator `mul` (gone from Paddle 3's Python), one file per parameter."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__model__").write_bytes(paddle1_program().SerializeToString())
    records = {"fc_0.b_0": record(models.UCI_B), "fc_0.w_0": record(models.UCI_W[:, None])}
    if combined:
        (folder / "__params__").write_bytes(b"".join(records.values()))
    else:
        for name, content in records.items():
            (folder / name).write_bytes(content)
    return folder


def paddle1_program() -> framework_pb2.ProgramDesc:
    """The program of `paddle1`; it has no version, as the oldest have none."""
    program = framework_pb2.ProgramDesc()
    block = program.blocks.add(idx=0, parent_idx=-1)
    for name, kind in (("feed", FEED_LIST), ("fetch", FETCH_LIST)):
        block.vars.add(name=name.encode(), type=framework_pb2.VarType(type=kind), persistable=True)
    for name, dims, persistable in (
        ("fc_0.w_0", (13, 1), True),
        ("fc_0.b_0", (1,), True),
        ("x", (-1, 13), False),
        ("fc_0.tmp_0", (-1, 1), False),
        ("fc_0.tmp_1", (-1, 1), False),
    ):
        add_tensor(block, name, dims, persistable=persistable)
    add_operator(block, "feed", {"X": "feed"}, {"Out": "x"}, col=0)
    add_operator(block, "mul", {"X": "x", "Y": "fc_0.w_0"}, {"Out": "fc_0.tmp_0"}, x_num_col_dims=1, y_num_col_dims=1)
    add_operator(block, "elementwise_add", {"X": "fc_0.tmp_0", "Y": "fc_0.b_0"}, {"Out": "fc_0.tmp_1"}, axis=1)
    add_operator(block, "fetch", {"X": "fc_0.tmp_1"}, {"Out": "fetch"}, col=0)
    return program


def add_tensor(
    block: framework_pb2.BlockDesc,
    name: str,
    dims: tuple[int, ...],
    *,
    persistable: bool = False,
    data_type: int = FLOAT32,
    lod_level: int = 0,
) -> None:
    """Declare a variable."""
    var = block.vars.add(name=name.encode(), type=framework_pb2.VarType(type=TENSOR), persistable=persistable)
    var.type.lod_tensor.lod_level = lod_level
    var.type.lod_tensor.tensor.data_type = data_type
    var.type.lod_tensor.tensor.dims.extend(dims)


def add_operator(
    block: framework_pb2.BlockDesc, kind: str, inputs: Mapping[str, str], outputs: Mapping[str, str], **attrs: int
) -> None:
    """Append an operator with integer attributes."""
    op = block.ops.add(type=kind.encode())
    for slot, name in inputs.items():
        op.inputs.add(parameter=slot.encode(), arguments=[name.encode()])
    for slot, name in outputs.items():
        op.outputs.add(parameter=slot.encode(), arguments=[name.encode()])
    for name, value in attrs.items():
        op.attrs.add(name=name.encode(), type=0, i=value)


def record(array: npt.NDArray[np.float32]) -> bytes:
    """A parameter file as the reference describes it, byte by byte, independent of the code under test."""
    desc = b"\x08\x05" + b"".join(b"\x10" + bytes([dim]) for dim in array.shape)
    return struct.pack("<IQIi", 0, 0, 0, len(desc)) + desc + array.tobytes()


def onnx_model(*locations: str, offset: str = "0", length: str = "4") -> onnx_pb2.ModelProto:
    """x float32 (-1, 3) -> y; an initializer (also listed as an input) for each file of external data."""
    model = onnx_pb2.ModelProto(ir_version=8, graph=onnx_pb2.GraphProto())
    model.opset_import.add(version=13)
    for name, infos in ((b"x", model.graph.input), (b"y", model.graph.output)):
        tensor = infos.add(name=name).type.tensor_type
        tensor.elem_type = 1
        tensor.shape.dim.add()
        tensor.shape.dim.add(dim_value=3)
    for number, location in enumerate(locations):
        name = f"w{number}".encode()
        model.graph.input.add(name=name).type.tensor_type.elem_type = 1
        tensor_proto = model.graph.initializer.add(name=name, data_location=1)
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            tensor_proto.external_data.add(key=key.encode(), value=value.encode())
    return model


def answers(server: Path, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """What Paddle answers with the files that a server folder's manifest names; by real output name."""
    files = [str(server / name) for name in manifest.verify(server).files]
    params = [file for file in files if file.endswith(("params__", "params"))]
    (program,) = (file for file in files if file.endswith((".json", ".pdmodel", "__model__", "model")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from paddle.inference import Config, create_predictor

        config = Config(program, *params)
        config.disable_glog_info()
        predictor = create_predictor(config)
    for name, array in feeds.items():
        predictor.get_input_handle(name).copy_from_cpu(array)
    predictor.run()
    return {name: predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative name, but for what servers keep there for themselves."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files}
    return {name: path.read_bytes() for path, name in names.items() if not name.startswith(".cache/")}


def _without_config(folder: Path) -> Path:
    for config in folder.glob("serving_*"):
        config.unlink()
    return folder
