"""A program's operators are found with their element types, whatever form its file has."""

import json
from pathlib import Path

import pytest

from paddle_serving_app.program import reader
from paddle_serving_client import dtype, model_config
from paddle_serving_client.errors import BadModel
from tests import models
from tests.app.conftest import Folder
from tests.app.programs import Form, paddle_model

I64, I32, F32 = (dtype.code_of(name) for name in ("int64", "int32", "float32"))


@pytest.mark.parametrize(
    ("form", "product", "joined", "difference"),
    [
        ("pdmodel", "matmul_v2", "concat", "elementwise_sub"),
        ("json", "matmul", "concat", "subtract"),
        ("onnx", "MatMul", "Concat", "Sub"),
    ],
)
def test_every_form_is_read(model_folder: Folder, form: str, product: str, joined: str, difference: str) -> None:
    graph = reader.read(model_folder("multi", form))
    types = {operator.kind: operator.types for operator in graph.operators}
    assert len(graph.feeds) == 3
    assert types[product] == {F32}
    assert I64 in types[joined] <= {I64, I32}
    assert types[difference] == {I32}


@pytest.mark.parametrize("form", ["pdmodel", "json", "onnx"])
@pytest.mark.parametrize("name", ["uci", "conv", "f16", "lod", "text_detector"])
def test_every_model_of_the_tests_is_read(model_folder: Folder, name: str, form: str) -> None:
    graph = reader.read(model_folder(name, form))
    assert graph.operators
    assert all(operator.kind and operator.outputs for operator in graph.operators)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.pdmodel", b"\x0a\x05nonsense"),
        ("m.json", b"[]"),
        ("m.json", b'{"program": {"regions": []}}'),
        ("m.json", json.dumps({"program": {"regions": [{"blocks": [{"ops": [{"#": "1.add"}]}]}]}}).encode()),
        ("m.onnx", b"\x08\x07\x3a\xff"),
    ],
)
def test_what_is_no_program_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadModel, match="its operators cannot be read"):
        reader.read_file(tmp_path / name)
    with pytest.raises(BadModel):
        reader.read_file(tmp_path / f"none-{name}")


@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_a_constant_may_be_infinite(tmp_path: Path, form: Form) -> None:
    folder = paddle_model(
        tmp_path / "m", {"x": ((-1, 2), "float32")}, lambda p, x: p.full_like(x, float("inf")) - x, form
    )
    assert reader.read(folder).operators


def test_a_program_is_read_once_and_again_when_its_file_is_another(tmp_path: Path) -> None:
    file = models.conv(tmp_path / "conv", "json") / "inference.json"
    found = reader.read_file(file)
    assert reader.read_file(file) is found
    file.write_bytes((models.uci(tmp_path / "uci", "json") / "inference.json").read_bytes())
    assert len(reader.read_file(file).operators) < len(found.operators)
    reader.forget()
    assert reader.find(tmp_path) is None


def test_inputs_have_the_names_of_the_config_in_every_form(model_folder: Folder) -> None:
    for form in ("pdmodel", "json", "onnx"):
        folder = model_folder("multi", form)
        assert set(reader.read(folder).feeds) == {feed.name for feed in model_config.read(folder).feeds}, form


def test_what_a_branch_gives_has_the_type_that_its_graphs_give(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    info = make.make_tensor_value_info("inner", onnx.TensorProto.INT64, [None])
    branch = make.make_graph([make.make_node("Identity", ["n"], ["inner"])], "branch", [], [info])
    nodes = [
        make.make_node("If", ["is"], ["y"], then_branch=branch, else_branch=branch),
        make.make_node("Add", ["y", "y"], ["z"]),
    ]
    feeds = [make.make_tensor_value_info("n", onnx.TensorProto.INT64, [None])]
    feeds.append(make.make_tensor_value_info("is", onnx.TensorProto.BOOL, []))
    gives = [make.make_tensor_value_info("z", onnx.TensorProto.INT64, [None])]
    onnx.save(make.make_model(make.make_graph(nodes, "g", feeds, gives)), tmp_path / "m.onnx")
    last = reader.read_file(tmp_path / "m.onnx").operators[-1]
    assert last.common_kind == "add"
    assert last.types == {I64}
