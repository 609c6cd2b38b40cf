"""ONNX models."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import source
from paddle_serving_client.io.formats import onnx
from paddle_serving_client.io.source import Names
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.proto import onnx_pb2 as pb
from tests.client.io import trained


def write(folder: Path, model: pb.ModelProto) -> Path:
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder


@pytest.mark.paddle2onnx
def test_inputs_and_outputs_of_what_paddle2onnx_writes(tmp_path: Path) -> None:
    found = source.read(trained.uci(tmp_path, "onnx"))
    assert found.feeds == (Variable("x", "x", 1, (13,)),)
    assert [(v.elem_type, v.shape) for v in found.fetches] == [(1, (1,))]
    assert [file.name for file in found.files] == ["model.onnx"]


def test_weights_are_no_inputs_and_outputs_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(4))
    model = trained.onnx_model("w.bin")
    model.graph.output.add(name=b"a").type.SetInParent()
    found = source.read(write(tmp_path, model))
    assert found.feeds == (Variable("x", "x", 1, (3,)),)
    assert [(v.name, v.elem_type) for v in found.fetches] == [("y", 1), ("a", dtype.UNKNOWN)]


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (b"\x0a\x02\x08\x15", "is of ONNX's type 21, .*: cast it"),
        (b"\x22\x00", "is a sequence, .*: only tensors can; export the model without it"),
        (b"\x2a\x00", "is a map"),
        (b"\x4a\x00", "is optional"),
    ],
)
@pytest.mark.parametrize("kind", ["input", "output"])
def test_what_cannot_be_served_is_refused(tmp_path: Path, kind: str, type_: bytes, words: str) -> None:
    model = trained.onnx_model()
    variables = model.graph.input if kind == "input" else model.graph.output
    variables.add(name=b"other").type.MergeFromString(type_)
    with pytest.raises(BadModel, match=f"{kind} 'other' {words}"):
        source.read(write(tmp_path, model))


@pytest.mark.parametrize(
    ("number", "name"), [(4, "uint16"), (8, "string"), (12, "uint32"), (13, "uint64"), (16, "bfloat16")]
)
def test_types_that_paddle_has_not_are_served(tmp_path: Path, number: int, name: str) -> None:
    model = trained.onnx_model()
    model.graph.output.add(name=b"other").type.tensor_type.elem_type = number
    assert dtype.name_of(source.read(write(tmp_path, model)).fetches[1].elem_type) == name


def test_external_data_goes_along(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(bytes(8))
    found = source.read(write(tmp_path, trained.onnx_model("sub/w.bin", "sub/w.bin", offset="4")))
    assert [file.name for file in found.files] == ["m.onnx", "sub/w.bin"]


@pytest.mark.parametrize("place", ["node", "nested", "function", "training", "sparse"])
def test_external_data_is_found_wherever_it_is(tmp_path: Path, place: str) -> None:
    model = trained.onnx_model()
    if place == "node":
        tensor = model.graph.node.add().attribute.add().t
    elif place == "nested":
        tensor = model.graph.node.add().attribute.add().graphs.add().node.add().attribute.add().g.initializer.add()
    elif place == "function":
        tensor = model.functions.add().node.add().attribute.add().tensors.add()
    elif place == "training":
        tensor = model.training_info.add().algorithm.initializer.add()
    else:
        tensor = model.graph.sparse_initializer.add().values
    tensor.data_location = 1
    tensor.external_data.add(key=b"location", value=b"../w.bin")
    with pytest.raises(BadModel, match="'../w.bin' is not a name of a file inside the folder"):
        source.read(write(tmp_path, model))


@pytest.mark.parametrize("location", ["/etc/passwd", "../w.bin", "a/../../w.bin", "..", "a\\w.bin", ""])
def test_external_data_outside_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(4))
    (tmp_path / "m" / "a").mkdir(parents=True)
    with pytest.raises(BadModel, match="is not a name of a file inside the folder|says {b'location'"):
        source.read(write(tmp_path / "m", trained.onnx_model(location)))


def test_external_data_by_a_link_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(4))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "w.bin").symlink_to("../w.bin")
    with pytest.raises(BadModel, match="leads out of the folder"):
        source.read(write(tmp_path / "m", trained.onnx_model("w.bin")))


def test_external_data_that_is_missing_short_or_a_pipe(tmp_path: Path) -> None:
    folder = write(tmp_path, trained.onnx_model("w.bin", offset="8"))
    with pytest.raises(BadModel, match="w.bin: it is missing"):
        source.read(folder)
    (folder / "w.bin").write_bytes(bytes(11))
    with pytest.raises(BadModel, match="w.bin: 11 bytes, but m.onnx has weights in it up to byte 12"):
        source.read(folder)
    (folder / "w.bin").unlink()
    os.mkfifo(folder / "w.bin")
    with pytest.raises(BadModel, match="a pipe"):
        source.read(folder)


@pytest.mark.parametrize("number", ["-1", "x", "", "9" * 5000, "1e3", "\u0661"])
def test_numbers_of_external_data_are_not_trusted(tmp_path: Path, number: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(4))
    with pytest.raises(BadModel, match="damaged: the external data of b'w0' says") as raised:
        source.read(write(tmp_path, trained.onnx_model("w.bin", offset=number)))
    assert len(str(raised.value)) < 1000


def test_what_is_not_a_model(tmp_path: Path) -> None:
    model = trained.onnx_model()
    model.ClearField("opset_import")
    with pytest.raises(BadModel, match="has no graph, or does not say its operator set"):
        source.read(write(tmp_path, model))
    with pytest.raises(BadModel, match="which has no parameter file; 'p' was given"):
        source.read(tmp_path, Names(params="p"))


def test_name_in_the_server_folder(tmp_path: Path) -> None:
    write(tmp_path, trained.onnx_model())
    assert source.read(tmp_path, wanted=Names(model="net")).files[0].name == "net.onnx"


def test_every_cut_is_refused(tmp_path: Path) -> None:
    raw = trained.onnx_model().SerializeToString()
    for length in range(len(raw)):
        (tmp_path / "m.onnx").write_bytes(raw[:length])
        with pytest.raises(BadModel):
            source.read(tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("p")
    (folder / "w.bin").write_bytes(bytes(4))
    raw = bytearray(trained.onnx_model("w.bin").SerializeToString())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(1, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / "m.onnx").write_bytes(raw)
    try:
        source.read(folder)
    except BadModel as exc:
        assert str(exc)


def test_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "_MAX_BYTES", 10)
    with pytest.raises(BadModel, match="more than 10 bytes"):
        source.read(write(tmp_path, trained.onnx_model()))
