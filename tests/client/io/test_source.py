"""Finding a model in a folder, and saying what is wrong where there is none."""

import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from paddle_serving_client import plugins
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import formats, source
from paddle_serving_client.io.source import Names
from tests import models
from tests.client.io import trained
from tests.models import Form


def test_formats_are_plug_ins() -> None:
    assert plugins.names(formats) == ["onnx", "pir", "program", "saved_model"]


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ("pdmodel", "Paddle 2 program: model.pdmodel, model.pdiparams"),
        ("json", "Paddle 3 program: inference.json, inference.pdiparams"),
        ("legacy", "Paddle 1 program: __model__, __params__"),
        ("separate", "Paddle 1 program: __model__, fc_0.b_0, fc_0.w_0"),
        ("onnx", "ONNX model: model.onnx"),
    ],
)
def test_usual_names_are_found_and_said(tmp_path: Path, form: Form, found: str) -> None:
    assert str(source.read(trained.uci(tmp_path / "m", form))) == found


def test_bare_names_of_old_model_zoos(tmp_path: Path) -> None:
    folder = trained.paddle1(tmp_path, combined=True)
    (folder / "__model__").rename(folder / "model")
    (folder / "__params__").rename(folder / "params")
    assert str(source.read(folder)) == "Paddle 1 program: model, params"


def test_params_of_another_stem_are_found_where_there_is_one_file(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path)
    (folder / "model.pdiparams").rename(folder / "weights.pdiparams")
    assert "weights.pdiparams" in str(source.read(folder))


def test_names_that_nobody_guesses_can_be_given(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path)
    (folder / "model.pdmodel").rename(folder / "program.bin")
    (folder / "model.pdiparams").rename(folder / "weights.bin")
    found = source.read(folder, Names(model="program.bin", params="weights.bin"))
    assert [file.name for file in found.files] == ["model.pdmodel", "params.pdiparams"]
    with pytest.raises(BadModel, match=r"holds no model: it holds program.bin, weights.bin; expected one \*.onnx, or "):
        source.read(folder)


def test_two_models_are_ambiguous(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path)
    shutil.copy(folder / "model.pdmodel", folder / "other.pdmodel")
    with pytest.raises(BadModel, match=r"holds 2 models \(model.pdmodel, other.pdmodel\): say which with --model_file"):
        source.read(folder)
    assert source.read(folder, Names(model="model.pdmodel")).files[0].name == "model.pdmodel"


def test_json_of_another_kind_is_not_a_candidate(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path, "json")
    (folder / "config.json").write_text('{"base_code": 1}')
    (folder / "manifest.json").write_text("{}")
    assert source.read(folder).files[0].name == "inference.json"


def test_missing_folder_and_files(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="there is no such file or folder"):
        source.read(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(BadModel, match="file: empty"):
        source.read(tmp_path / "file")
    with pytest.raises(BadModel, match="a file; give the folder it is in"):
        source.read(tmp_path / "file", Names(model="file"))


@pytest.mark.parametrize(("form", "name"), [("pdmodel", "model.pdmodel"), ("onnx", "model.onnx"), ("legacy", None)])
def test_the_model_file_itself_may_be_given(tmp_path: Path, form: Form, name: str | None) -> None:
    folder = trained.uci(tmp_path, form)
    assert source.read(folder / (name or "__model__")) == source.read(folder)


def test_the_models_of_a_folder_and_their_kinds(tmp_path: Path) -> None:
    trained.uci(tmp_path, "pdmodel")
    trained.uci(tmp_path, "json")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "labels.json").write_text("{}")
    assert source.models_in(tmp_path) == {"inference.json": "pir", "model.pdmodel": "program"}


def test_wrong_name_lists_what_is_there(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path, "json")
    with pytest.raises(
        BadModel, match=r"has no file 'inference.pdmodel': it holds inference.json, inference.pdiparams"
    ):
        source.read(folder, Names(model="inference.pdmodel"))
    with pytest.raises(BadModel, match=r"has no file 'x.pdiparams': it holds"):
        source.read(folder, Names(params="x.pdiparams"))


def test_long_listings_are_cut(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}").touch()
    with pytest.raises(BadModel, match="07 and 4 more;"):
        source.read(tmp_path)


def test_served_folder_keeps_its_aliases(tmp_path: Path) -> None:
    folder = models.uci(tmp_path / "uci", "separate")
    found = source.read(folder)
    assert [(fetch.name, fetch.alias) for fetch in found.fetches] == [("fc_0.tmp_1", "price")]


def foreign_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", "x")


def torchserve_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", "{}")


def torchscript(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/constants.pkl", "x")
        archive.writestr("net/code/__torch__.py", "x")


def keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", "x")


def foreign_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "model")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (foreign_zip, "a zip archive, as PyTorch writes"),
        (torchserve_archive, "a TorchServe archive; it is not served yet"),
        (torchscript, "a TorchScript model; it is not served yet"),
        (keras, "a Keras model; export it to ONNX"),
        (b"PK\x03\x04 cut short", "a zip archive, as PyTorch writes"),
        (bytes(4) + b"TFL3", "a TensorFlow Lite model; export"),
        (foreign_tar, "a tar archive; unpack it first"),
        (pickle.dumps({"w": 1}), "a Python pickle"),
        (b"", "empty"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer; fetch the file itself"),
        (b"<!DOCTYPE html>", "a web page; the download went wrong"),
        (b"\x40" + bytes(7) + b'{"__metadata__"', "a safetensors file"),
        (b'{"a": 1}', "a JSON file of another kind"),
        (b"\x00\x01\x02", "of an unknown kind .it begins with b'.x00.x01.x02'"),
        (b"\n\n\n some text", "not a Paddle program, or cut short"),
        (b"\x08garbage", "not an ONNX model, or cut short|of an unknown kind"),
    ],
)
@pytest.mark.parametrize("is_named", [True, False])
def test_foreign_files_are_named(tmp_path: Path, content: object, message: str, is_named: bool) -> None:
    path = tmp_path / "inference.pdmodel"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif callable(content):
        content(path)
    with pytest.raises(BadModel, match=message) as raised:
        source.read(tmp_path, Names(model=path.name) if is_named else None)
    assert "inference.pdmodel" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("net.pt", "PyTorch weights; export the model to ONNX"),
        ("net.pdparams", "training weights; export the model with"),
    ],
)
def test_weights_without_a_program_get_a_hint(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(BadModel, match=hint):
        source.read(tmp_path)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="holds no model: it is empty; expected"):
        source.read(tmp_path)


@pytest.mark.parametrize(
    ("dims", "lod_level", "shape"),
    [
        ((-1, 3, 224, 224), 0, (3, 224, 224)),
        ((-1, 3, -1, -1), 0, (3,)),
        ((-1, -1), 0, ()),
        ((1, 13), 0, (1, 13)),
        ((), 0, ()),
        ((0, 4), 0, (0, 4)),
        ((-1, 1), 1, (-1,)),
        ((5, 5), 2, (-1,)),
    ],
)
def test_shapes_follow_the_rules_of_the_old_converter(
    dims: tuple[int, ...], lod_level: int, shape: tuple[int, ...]
) -> None:
    var = source.variable("v", 1, dims, lod_level)
    assert (var.shape, var.is_lod, var.alias) == (shape, lod_level > 0, "v")
