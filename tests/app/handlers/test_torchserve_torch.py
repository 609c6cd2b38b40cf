"""Handlers of TorchServe that run models of torch, where it is installed: weights, TorchScript, pictures."""

import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.handler import Failure, HandlerRequest
from paddle_serving_client.errors import BadModel
from tests.app.handlers.mar_archives import LoadArchive as Load
from tests.data import torchserve as recorded

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
if importlib.util.find_spec("ts") is not None:
    pytest.skip("TorchServe itself is installed: its handlers come first", allow_module_level=True)
pytestmark = pytest.mark.filterwarnings("ignore:`torch:DeprecationWarning")

WEIGHT_NET = """
import torch


class WeightNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(18, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))

    def forward(self, x):
        return self.net(x)
"""
WEIGHT_HANDLER = """
import json

import numpy as np
import torch
from ts.torch_handler.base_handler import BaseHandler
from preprocessing_pipelines import features


class WeightHandler(BaseHandler):
    def preprocess(self, data):
        rows = [row.get("data") or row.get("body") for row in data]
        rows = [json.loads(row) if isinstance(row, (bytes, bytearray)) else row for row in rows]
        return torch.as_tensor(np.stack([features(row) for row in rows]))

    def postprocess(self, out):
        return [{"weight_change": round(float(value), 6)} for value in out.reshape(-1)]
"""
GENRE_HANDLER = """
import json
import os

from torchvision import transforms
from ts.torch_handler.vision_handler import VisionHandler
from label_util import pack


class GenreHandler(VisionHandler):
    image_processing = transforms.Compose([
        transforms.Resize((128, 128)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])

    def initialize(self, context):
        super().initialize(context)
        with open(os.path.join(context.system_properties.get("model_dir"), "classes.json")) as file:
            self.classes = json.load(file)

    def postprocess(self, data):
        return [pack(self.classes, row) for row in data.tolist()]
"""
CLASSES = {"0": ["n0", "cat"], "1": ["n1", "dog"], "2": ["n2", "fox"]}


class Genre(torch.nn.Module):  # type: ignore[name-defined,misc]
    """The network behind the recorded answers."""

    def __init__(self) -> None:
        super().__init__()
        self.c = torch.nn.Conv2d(3, 8, 5, stride=4)
        self.f = torch.nn.Linear(8, 5)

    def forward(self, x):  # type: ignore[no-untyped-def]
        return torch.sigmoid(self.f(torch.relu(self.c(x)).mean((2, 3))))


class Colours(torch.nn.Module):  # type: ignore[name-defined,misc]
    """For each picture how much there is of each colour."""

    def forward(self, x):  # type: ignore[no-untyped-def]
        return x.mean((2, 3)) * 10


class Pixels(torch.nn.Module):  # type: ignore[name-defined,misc]
    """For each pixel how much there is of each colour, as segmentation models of torchvision say it."""

    def forward(self, x):  # type: ignore[no-untyped-def]
        return {"out": x}


class Boxes(torch.nn.Module):  # type: ignore[name-defined,misc]
    """One box for each picture that counts, and one that does not."""

    def forward(self, x):  # type: ignore[no-untyped-def]
        boxes = torch.tensor([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]])
        labels, scores = torch.tensor([1, 2]), torch.tensor([0.9, 0.1])
        return [{"boxes": boxes, "labels": labels, "scores": scores} for _ in range(len(x))]


def script(model: Any, path: Path) -> str:
    torch.jit.script(model.eval()).save(str(path))
    return str(path)


def pictures(*files: bytes, key: str = "data") -> list[HandlerRequest]:
    return [HandlerRequest(instances=[{key: file}], id=f"id{k}") for k, file in enumerate(files)]


def red() -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(np.full((300, 260, 3), [200, 10, 10], np.uint8)).save(written, "png")
    return written.getvalue()


def test_weights_with_their_class(load: Load, tmp_path: Path) -> None:
    (tmp_path / "model_def.py").write_text(WEIGHT_NET)
    (tmp_path / "preprocessing_pipelines.py").write_text(recorded.PIPELINES)
    handler = load(
        WEIGHT_HANDLER, extra=str(tmp_path / "preprocessing_pipelines.py"), model_file=str(tmp_path / "model_def.py"),
        serialized=str(recorded.WEIGHT / "barcamp2024-model-pytorch.pth"),
    )  # fmt: skip
    datapoint = json.loads((recorded.WEIGHT / "expected.json").read_text())["datapoint"]
    asked = [HandlerRequest(instances=[{"body": body}]) for body in (datapoint, json.dumps(datapoint).encode())]
    assert handler.handle(asked) == [{"weight_change": -0.129942}] * 2


def test_a_pickled_model_is_not_run(load: Load, tmp_path: Path) -> None:
    (tmp_path / "model_def.py").write_text(WEIGHT_NET)
    torch.save(torch.nn.Sequential(torch.nn.Linear(1, 1)), tmp_path / "whole.pth")
    with pytest.raises(BadModel, match="whole.pth is a pickled model"):
        load("base_handler", model_file=str(tmp_path / "model_def.py"), serialized=str(tmp_path / "whole.pth"))
    model = torch.nn.Sequential(torch.nn.Linear(1, 1))
    torch.nn.init.constant_(model[0].weight, 2.0)
    torch.nn.init.constant_(model[0].bias, 1.0)
    torch.save(model, tmp_path / "whole.pth")
    files = {"model_file": str(tmp_path / "model_def.py"), "serialized": str(tmp_path / "whole.pth")}
    handler = load("base_handler", settings={"allows_pickled_weights": True}, **files)
    assert handler.handle([HandlerRequest(instances=[{"data": [3.0]}])]) == [[7.0]]


def test_the_recorded_classifier(load: Load, tmp_path: Path) -> None:
    torch.manual_seed(0)
    (tmp_path / "classes.json").write_text(json.dumps(recorded.CLASSES))
    (tmp_path / "label_util.py").write_text(recorded.LABELS)
    extra = f"{tmp_path / 'classes.json'},{tmp_path / 'label_util.py'}"
    handler = load(GENRE_HANDLER, extra=extra, serialized=script(Genre(), tmp_path / "genre_classifier.pt"))
    expected = [answer for _, answer in recorded.answers()["batch_4_parallel"]["answers"][:2]]
    files = recorded.pictures()
    assert handler.handle(pictures(files[0], files[1])) == expected
    assert handler.handle(pictures(files[0], key="body")) == expected[:1]
    good, bad = handler.handle(pictures(files[0], b"no picture"))
    assert good == expected[0]
    assert isinstance(bad, Failure)


def test_image_classifier(load: Load, tmp_path: Path) -> None:
    (tmp_path / "index_to_name.json").write_text(json.dumps(CLASSES))
    extra = str(tmp_path / "index_to_name.json")
    handler = load("image_classifier", extra=extra, serialized=script(Colours(), tmp_path / "m.pt"))
    (answer,) = handler.handle(pictures(red()))
    assert list(answer) == ["cat", "fox", "dog"]
    assert sum(answer.values()) == pytest.approx(1)
    assert answer["cat"] > 0.99


def test_image_segmenter(load: Load, tmp_path: Path) -> None:
    handler = load("image_segmenter", serialized=script(Pixels(), tmp_path / "m.pt"))
    (answer,) = handler.handle(pictures(red()))
    found = np.asarray(answer)
    assert found.shape == (224, 224, 2)
    assert (found[..., 0] == 0).all()
    assert (found[..., 1] > 0.5).all()


def test_object_detector(load: Load, tmp_path: Path) -> None:
    (tmp_path / "index_to_name.json").write_text(json.dumps(CLASSES))
    extra = str(tmp_path / "index_to_name.json")
    handler = load("object_detector", extra=extra, serialized=script(Boxes(), tmp_path / "m.pt"))
    (answer,) = handler.handle(pictures(red()))
    assert answer == [{"dog": [0.0, 1.0, 2.0, 3.0], "score": pytest.approx(0.9)}]
