"""What is particular about ONNX Runtime: external data, shapes that the model does not say, values of other kinds."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.backends import onnxruntime as plugin
from paddle_serving_app.model import Model
from paddle_serving_client import model_config
from paddle_serving_client.errors import BadModel, MissingLibrary
from paddle_serving_client.model_config import ModelSpec, Variable
from tests import models
from tests.app.conftest import Folder

OPTIONS = ModelOptions(backend="onnxruntime", threads=2)
WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)


def linear(folder: Path, location: str | None = None, shape: list[Any] | None = None) -> Path:
    """y = x @ WEIGHTS, as ONNX; with the weights in an external file, or with an input of another shape."""
    onnx = pytest.importorskip("onnx")
    helper, elem = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(WEIGHTS, "w")
    folder.mkdir(parents=True)
    if location is not None:
        weights.ClearField("raw_data")
        weights.data_location = onnx.TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", elem, shape if shape is not None else ["n", 3])],
        [helper.make_tensor_value_info("y", elem, None)],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "linear.onnx").write_bytes(model.SerializeToString())
    models.write_configs(folder, ModelSpec((Variable("x", "x", 1, (3,)),), (Variable("y", "answer", 1, (2,)),)))
    return folder


def test_external_data_inside(tmp_path: Path) -> None:
    folder = linear(tmp_path / "m", "sub/weights.bin")
    (folder / "sub").mkdir()
    (folder / "sub" / "weights.bin").write_bytes(WEIGHTS.tobytes())
    model = Model.load(folder, OPTIONS)
    outputs = model.run(model.signature.arrange({"x": np.ones((1, 3), np.float32)}))
    np.testing.assert_array_equal(outputs.arrays[0], [WEIGHTS.sum(0)])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("location", ["../secret.bin", "{tmp}/secret.bin", "link.bin", "missing.bin", "short.bin", ""])
def test_external_data_that_leaves_the_folder(backend: str, location: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    folder = linear(tmp_path / "m", location.format(tmp=tmp_path))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "short.bin").write_bytes(b"1234")
    with pytest.raises(BadModel):
        Model.load(folder, ModelOptions(backend=backend))


def test_shape_that_the_model_does_not_say(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder = linear(tmp_path / "m")
    proto = onnx.load(str(folder / "linear.onnx"))
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    (folder / "linear.onnx").write_bytes(proto.SerializeToString())
    model = Model.load(folder, OPTIONS)
    assert model.signature.inputs[0].shape == (-1, 3)


def test_fixed_batch(tmp_path: Path) -> None:
    model = Model.load(linear(tmp_path / "m", shape=[2, 3]), OPTIONS)
    assert model.signature.inputs[0].shape == (2, 3)
    assert not model.signature.can_join
    assert model.sample(rows=5) is not None


def test_sequence_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder = linear(tmp_path / "m")
    proto = onnx.load(str(folder / "linear.onnx"))
    proto.graph.node.append(onnx.helper.make_node("SequenceConstruct", ["y"], ["s"]))
    proto.graph.output[0].CopyFrom(onnx.helper.make_tensor_sequence_value_info("s", onnx.TensorProto.FLOAT, None))
    (folder / "linear.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(BadModel, match="output .s. is a sequence, which cannot be served"):
        Model.load(folder, OPTIONS)


def test_unknown_operator(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder = linear(tmp_path / "m")
    proto = onnx.load(str(folder / "linear.onnx"))
    proto.graph.node[0].op_type = "NoSuchOperator"
    (folder / "linear.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(BadModel, match="NoSuchOperator"):
        Model.load(folder, OPTIONS)


def test_lod_is_refused(model_folder: Folder) -> None:
    folder = model_folder("lod", "pdmodel")
    reason = plugin.refuses(folder, model_config.read(folder))
    assert reason is not None and "LoD" in reason


@pytest.mark.paddle2onnx
def test_gpu_without_cuda(model_folder: Folder) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    folder = model_folder("uci", "onnx")
    with pytest.raises(MissingLibrary, match=r"without CUDA.*requirements-gpu\.txt"):
        plugin.load(folder, model_config.read(folder), ModelOptions(gpu_id=0))


@pytest.mark.paddle2onnx
def test_a_onnx_beside_a_paddle_program_is_taken(model_folder: Folder, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder("uci", "onnx"), tmp_path / "both")
    (folder / "model.pdmodel").write_bytes(b"not read by this library")
    assert plugin.load(folder, model_config.read(folder), OPTIONS).inputs[0].name == "x"
