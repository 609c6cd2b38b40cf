"""Models by name: from a folder of archives, from recipes, and honest words about those that are gone."""

import tarfile
from pathlib import Path

import pytest

from paddle_serving_app import known_models, package
from paddle_serving_app.package import ServingModels
from paddle_serving_client.errors import BadConfig, BadModel
from tests import models

NAMES = {
    "senta_bilstm", "senta_bow", "senta_cnn", "ernie", "lac", "faster_rcnn", "yolov4", "blazeface", "unet",
    "deeplabv3", "deeplabv3+cityscapes", "resnet_v2_50_imagenet", "mobilenet_v2_imagenet", "ocr_det", "ocr_rec",
}  # fmt: skip
"""Those of Paddle Serving 0.9."""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models; the current folder is another."""
    shelf = tmp_path / "shelf"
    model = models.uci(tmp_path / "house" / "uci_model")
    shelf.mkdir()
    with tarfile.open(shelf / "ocr_rec.tar.gz", "w:gz") as tar:
        tar.add(model, "ocr_rec_model")
        tar.add(model / "serving_server_conf.prototxt", "ocr_rec_client/serving_client_conf.prototxt")
    (tmp_path / "house").rename(shelf / "house")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv(package.VARIABLE, raising=False)
    return shelf


def test_the_list(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = ServingModels(shelf).get_model_list()
    assert listed["Local"] == ["house", "ocr_rec"]
    assert {"uci_housing", "ppocr"} <= set(listed["Recipes"])
    assert {name for names in known_models.NAMES.values() for name in names} == NAMES
    assert package.main(["--list_model", "--folder", str(shelf)]) == 0
    printed = capsys.readouterr().out
    assert "Local: house, ocr_rec" in printed and all(name in printed for name in NAMES)


def test_a_model_of_the_folder_comes_here(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(package.VARIABLE, str(shelf))
    assert package.main(["--get_model", "ocr_rec"]) == 0
    assert sorted(path.name for path in Path().iterdir()) == ["ocr_rec.tar.gz", "ocr_rec_client", "ocr_rec_model"]
    assert (Path("ocr_rec_model") / "model.pdmodel").read_bytes() == (
        shelf / "house/uci_model/model.pdmodel"
    ).read_bytes()
    ServingModels().download("house")
    assert (Path("house") / "uci_model" / "model.pdmodel").exists()


def test_what_is_here_already_is_not_replaced(shelf: Path) -> None:
    Path("ocr_rec_model").mkdir()
    with pytest.raises(BadConfig, match="ocr_rec_model: there already"):
        ServingModels(shelf).download("ocr_rec")
    assert [path.name for path in Path().iterdir()] == ["ocr_rec_model"]


def test_a_recipe_makes_its_model(shelf: Path) -> None:
    ServingModels(shelf).download("uci_housing")
    assert Path("serving_model/uci_housing/serving_server_conf.prototxt").exists()


def test_models_that_are_gone(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES - {"ocr_rec"}:
        with pytest.raises(BadConfig, match="host that Paddle Serving got it from is gone"):
            ServingModels(shelf).download(name)
    assert package.main(["--get_model", "ocr_det"]) == 1
    assert "python convert/ppocr.py makes ppocr_det" in capsys.readouterr().err
    with pytest.raises(BadConfig, match="no model 'none'; there are: house, .*ocr_rec, "):
        ServingModels(shelf).download("none")


@pytest.mark.parametrize("content", ["empty", "other", "leads out"])
def test_an_archive_that_is_no_model(shelf: Path, tmp_path: Path, content: str) -> None:
    with tarfile.open(shelf / "bad.tar.gz", "w:gz") as tar:
        if content != "empty":
            tar.addfile(tarfile.TarInfo("../x" if content == "leads out" else "x"))
    with pytest.raises(BadModel, match="bad.tar.gz"):
        ServingModels(shelf).download("bad")
    assert list(Path().iterdir()) == [] and not (tmp_path / "x").exists()


def test_tutorials(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (
        ("uci_housing", "python convert/uci_housing.py"),
        ("house", "--get_model house"),
        ("lac", "PaddleNLP"),
    ):
        assert package.main(["--tutorial", name, "--folder", str(shelf)]) == 0
        assert words in capsys.readouterr().out
    assert package.main(["--list_model", "--folder", str(shelf / "none")]) == 1
    assert "there is no such folder of models" in capsys.readouterr().err
