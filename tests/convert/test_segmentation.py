"""convert/segmentation.py, with one step of training; web_service tests have the network that learnt."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from paddle_serving_client import manifest, model_config
from tests.serving import ROOT

SERVER, CLIENT = "serving_model/segmentation", "serving_client/segmentation"


@pytest.fixture
def recipe() -> ModuleType:
    pytest.importorskip("paddle", reason="it trains with Paddle")
    spec = importlib.util.spec_from_file_location("convert_segmentation", ROOT / "convert" / "segmentation.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_both_folders_are_made_once(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe, "LEAST_OVERLAP", 0.0)
    asked = ["--root", str(tmp_path), "--steps", "1"]
    assert recipe.main(asked) == 0
    assert "overlaps background" in capsys.readouterr().out
    files = {"inference.pdmodel", "inference.pdiparams", "labels.txt"}
    assert set(manifest.verify(tmp_path / SERVER).files) == files
    assert (tmp_path / SERVER / "labels.txt").read_text().split() == list(recipe.LABELS)
    spec = model_config.read(tmp_path / CLIENT, model_config.CLIENT_CONFIG)
    assert [(v.alias, tuple(v.shape)) for v in (*spec.feeds, *spec.fetches)] == [
        ("image", (3, 128, 128)),
        ("scores", (4, 128, 128)),
    ]
    assert recipe.main(asked) == 0
    assert "there already" in capsys.readouterr().out
    (tmp_path / SERVER / "labels.txt").write_text("other\n")
    assert recipe.main(asked) == 0
    assert "made again" in capsys.readouterr().out
    assert (tmp_path / SERVER / "labels.txt").read_text().split() == list(recipe.LABELS)


def test_a_network_that_has_not_learnt_is_not_kept(
    recipe: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recipe.main(["--root", str(tmp_path), "--steps", "1"]) == 1
    assert "expected 0.6" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_scenes_show_what_their_classes_say(recipe: ModuleType) -> None:
    for seed in range(5):
        image, classes = recipe.scene(np.random.default_rng(seed), 64)
        assert (image.shape, image.dtype) == ((64, 64, 3), np.uint8)
        for kind in set(np.unique(classes).tolist()) - {0}:
            inside, outside = image[classes == kind], image[classes == 0]
            assert len(inside) > 20
            assert np.abs(inside.mean(axis=0) - outside.mean(axis=0)).max() > 10
    again, _ = recipe.scene(np.random.default_rng(4), 64)
    assert np.array_equal(image, again)
