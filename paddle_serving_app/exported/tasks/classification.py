"""What a picture shows: the likeliest classes, or all that are likely enough. Orientations are classes, too."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.description import Description
from paddle_serving_app.exported.inputs import only_output, picture_input
from paddle_serving_app.exported.settings import Settings
from paddle_serving_app.exported.task import Task
from paddle_serving_app.exported.transforms import CLASSIFIER, picture_ops
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.image import Sequential
from paddle_serving_app.ops.labels import read_labels
from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.manifest import open_inside
from paddle_serving_client.message import Array

WANTS = "PostProcess.Topk or .MultiLabelThreshOutput"
_ONE, _SEVERAL = "Topk", "MultiLabelThreshOutput"
_DIGITS = 5
_MOST = 100_000


def claims(description: Description) -> bool:
    """By what stands behind the model."""
    post = description.part("PostProcess")
    return description.dialect == "PreProcess.transform_ops" and (_ONE in post or _SEVERAL in post)


def make(description: Description, signature: Signature) -> Task:
    """See `task.Kind.make`."""
    return Classification(description, signature)


class Classification:
    """See `task.Task`; options: topk, or threshold where a picture has several classes."""

    outputs = ("labels", "scores", "classes")
    usual = outputs

    def __init__(self, description: Description, signature: Signature) -> None:
        post = description.part("PostProcess")
        self.has_several = _SEVERAL in post
        settings = Settings(post[_SEVERAL if self.has_several else _ONE] or {}, f"{description.where}: PostProcess")
        self._labels = _labels(description, settings)
        self._topk = settings.whole("topk", 5, least=1, most=_MOST) if not self.has_several else 0
        self._threshold = settings.raw("threshold", 0.5)
        settings.ignore("delimiter", "save_dir")
        settings.end()
        self._known = ("threshold",) if self.has_several else ("topk",)
        self._input = picture_input(signature, description.where)
        self._prepare = Sequential(picture_ops(description, CLASSIFIER, ("KeepKeys",)))
        self.title = "What pictures show / 多标签分类" if self.has_several else "What a picture shows / 图像分类"

    def check(self, options: Mapping[str, Any]) -> None:
        """See `task.Task.check`."""
        given = options_of.checked(options, self._known)
        if not self.has_several:
            options_of.asked(given.get("topk", self._topk), "topk", 1)
        elif not isinstance(value := given.get("threshold", self._threshold), list | Mapping):
            options_of.asked(value, "threshold")  # how many classes there are is known when the model has answered

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """See `task.Task.fed`."""
        self.check(options)
        return {self._input.alias: self._prepare.batch([picture])}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """See `task.Task.found`."""
        scores = only_output(outputs, 2, "what a picture shows")[0]
        given = options_of.checked(options, self._known)
        if self.has_several:
            likely = scores > self._least(given.get("threshold", self._threshold), len(scores))
            classes = np.flatnonzero(likely)[np.argsort(-scores[likely])]
        else:
            count = int(options_of.asked(given.get("topk", self._topk), "topk", 1))
            classes = np.argsort(scores)[-count:][::-1]
        names = self._labels or ()
        return {
            "labels": [names[k] if k < len(names) else str(k) for k in classes.tolist()],
            "scores": np.around(scores[classes].astype(np.float64), _DIGITS).tolist(),
            "classes": classes.tolist(),
        }

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """See `task.Task.drawn`; there is nothing to draw."""
        return picture

    def _least(self, value: object, count: int) -> Array:
        """The threshold of each class: a number, a list, or a mapping of "default" and numbers of classes."""
        if isinstance(value, list):
            if len(value) != count:
                raise BadInput(f"threshold has {len(value)} numbers, for {count} classes")
            return np.array([options_of.asked(item, "threshold") for item in value])
        if not isinstance(value, Mapping):
            return np.full(count, options_of.asked(value, "threshold"))
        if "default" not in value:
            raise BadInput('a threshold by class needs one for the others, as "default"')
        least = np.full(count, options_of.asked(value["default"], "the default threshold"))
        by_class = options_of.threshold({key: item for key, item in value.items() if key != "default"})
        for k, item in by_class.items() if isinstance(by_class, dict) else ():
            if k >= count:
                raise BadInput(f"threshold of class {k}, but there are {count}, from 0")
            least[k] = item
        return least


def _labels(description: Description, settings: Settings) -> tuple[str, ...] | None:
    """From the file, or the file beside it that it names; None: classes have numbers only."""
    if (values := settings.raw("label_list")) is not None:
        return description.labels(values, "label_list")
    file = settings.raw("class_id_map_file")
    if file is None:
        return None
    name = str(file).replace("\\", "/").rpartition("/")[2]
    if not (description.folder / name).is_file():
        raise BadConfig(
            f"{description.where} has its labels in {str(file)[:128]!r}; put that file beside it, as {name!r}"
        )
    open_inside(description.folder, name).close()
    lines = read_labels(description.folder / name)
    numbered = [line.split(" ", 1) for line in lines if line]
    if all(len(parts) == 2 and parts[0] == str(k) for k, parts in enumerate(numbered)):
        return tuple(parts[1] for parts in numbered)
    return tuple(lines)
