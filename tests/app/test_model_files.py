"""The files of a model folder are found and read in every form."""

import os
import shutil
from pathlib import Path

import pytest

from paddle_serving_app import model_files
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadModel
from tests.app.conftest import Folder


@pytest.mark.parametrize(
    ("form", "program", "params"),
    [
        ("pdmodel", "model.pdmodel", ["model.pdiparams"]),
        ("json", "inference.json", ["inference.pdiparams"]),
        ("legacy", "__model__", ["__params__"]),
        ("separate", "__model__", ["conv2d_0.w_0", "fc_0.b_0", "fc_0.w_0"]),
    ],
)
def test_forms(form: str, program: str, params: list[str], model_folder: Folder) -> None:
    model = model_files.read_paddle(model_folder("conv", form))
    assert (model.program.name, [path.name for path in model.params]) == (program, params)
    assert model.is_pir == (form == "json")
    assert [(i.name, i.shape, i.elem_type) for i in model.inputs] == [("image", (-1, 3, -1, -1), 1)]
    assert [o.elem_type for o in model.outputs] == [1]
    combined = model_files.read_paddle(model_folder("conv", "pdmodel")).combined_params()
    assert sorted(model.combined_params()) == sorted(combined)


@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_shapes_of_outputs(form: str, model_folder: Folder) -> None:
    model = model_files.read_paddle(model_folder("multi", form))
    assert [o.shape for o in model.outputs] == [(-1, 2)] * 3
    assert {i.name: (i.shape, i.elem_type) for i in model.inputs} == {
        "f_real": ((-1, 3), 1),
        "i64_real": ((-1, 2), 0),
        "i32_real": ((-1, 2), 2),
    }


@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_a_model_without_parameters(form: str, model_folder: Folder) -> None:
    model = model_files.read_paddle(model_folder("f16", form))
    assert model.params == ()
    assert model.combined_params() == b""


def test_other_files_are_not_the_program(model_folder: Folder, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder("uci", "json"), tmp_path / "m")
    for name in ("config.json", ".hidden.pdmodel", "encrypt_model", "model.onnx.txt"):
        (folder / name).write_text("{}")
    (folder / "dir.pdmodel").mkdir()
    assert model_files.paddle_program(folder) == folder / "inference.json"
    assert model_files.onnx_model(folder) is None


def test_the_manifest_says_which(model_folder: Folder, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "m")
    shutil.copy(folder / "model.pdmodel", folder / "a_left_over.pdmodel")
    assert model_files.paddle_program(folder) == folder / "a_left_over.pdmodel"
    manifest.write(folder, ["model.pdmodel", "model.pdiparams"])
    assert model_files.paddle_program(folder) == folder / "model.pdmodel"


def test_pipe_does_not_block(model_folder: Folder, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "m")
    (folder / "model.pdiparams").unlink()
    os.mkfifo(folder / "model.pdiparams")
    with pytest.raises(BadModel):
        model_files.read_paddle(folder)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="holds no Paddle program: it is empty"):
        model_files.read_paddle(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="is not a folder"):
        model_files.read_paddle(tmp_path / "nowhere")


class TestLinks:
    """What a link leads to is read only where that is inside the folder."""

    @pytest.mark.parametrize(
        "name", ["inference.json", "inference.pdiparams", "labels.txt", model_config.SERVER_CONFIG]
    )
    def test_out_of_the_folder(self, name: str, model_folder: Folder, tmp_path: Path) -> None:
        folder = shutil.copytree(model_folder("uci", "json"), tmp_path / "m", ignore=shutil.ignore_patterns(".cache"))
        model_files.refuse_links_out(folder)
        if (folder / name).exists():
            (folder / name).rename(tmp_path / name)
        else:
            (tmp_path / name).write_text("a")
        (folder / name).symlink_to(tmp_path / name)
        with pytest.raises(BadModel, match=f"{name} is a link that leads out of the folder"):
            Model.load(folder, ModelOptions(backend="paddle"))

    def test_those_that_the_manifest_does_not_name_are_no_model_s(self, model_folder: Folder, tmp_path: Path) -> None:
        folder = shutil.copytree(model_folder("uci", "json"), tmp_path / "m", ignore=shutil.ignore_patterns(".cache"))
        (folder / "labels.txt").symlink_to("/etc/hostname")
        manifest.write(folder, ["inference.json", "inference.pdiparams"])
        model_files.refuse_links_out(folder)

    def test_as_a_volume_of_kubernetes_has_them(self, model_folder: Folder, tmp_path: Path) -> None:
        volume = tmp_path / "volume"
        shutil.copytree(model_folder("uci", "json"), volume / "..2026_01", ignore=shutil.ignore_patterns(".cache"))
        (volume / "..data").symlink_to("..2026_01")
        for path in (volume / "..2026_01").iterdir():
            (volume / path.name).symlink_to(f"..data/{path.name}")
        (tmp_path / "mounted").symlink_to(volume)
        Model.load(tmp_path / "mounted", ModelOptions(backend="paddle")).close()

    @pytest.mark.parametrize("place", ["/proc/self/root/etc/hostname", "/proc/1/fd/0"])
    def test_what_only_looks_like_memory(self, place: str, model_folder: Folder, tmp_path: Path) -> None:
        folder = shutil.copytree(model_folder("uci", "json"), tmp_path / "m", ignore=shutil.ignore_patterns(".cache"))
        (folder / "fc_0.b_0").symlink_to(place)
        with pytest.raises(BadModel, match="fc_0.b_0 is a link that leads out"):
            model_files.refuse_links_out(folder)
