"""The things in a picture, by a detector that PaddleDetection exported before 2.0: `mode: fluid`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.description import Description
from paddle_serving_app.exported.task import Task
from paddle_serving_app.mar.values import shown
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.boxes import LabelledBoxes, boxes_in, require_rows
from paddle_serving_app.ops.paddle_detection import labels_of, run_steps, sizes_for, steps_of
from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array

WANTS = "Preprocess, with mode: fluid"
_KINDS = ("YOLO", "SSD", "RetinaNet", "RCNN")
_KNOWN = ("threshold",)


def claims(description: Description) -> bool:
    """By its mode."""
    return description.dialect == "Preprocess" and description.values.get("mode") == "fluid"


def make(description: Description, signature: Signature) -> Task:
    """See `task.Kind.make`."""
    return OldDetection(description, signature)


class OldDetection:
    """See `task.Task`; options: threshold."""

    title = "Find things in pictures / 目标检测"
    outputs = ("boxes", "labels", "scores", "classes", "image")
    usual = ("boxes", "labels", "scores")

    def __init__(self, description: Description, signature: Signature) -> None:
        self._where, values = description.where, description.values
        self._arch = str(values.get("arch", ""))
        if not any(kind in self._arch for kind in _KINDS):
            raise BadConfig(f"{self._where}: arch is one of {', '.join(_KINDS)}, got {shown(values.get('arch'))}")
        named = description.labels(values.get("label_list"), "label_list")
        self._labels = labels_of({**values, "label_list": list(named)})
        self._steps = steps_of(list(values["Preprocess"]), description.path)
        self._threshold = options_of.thresholds_of(values.get("draw_threshold", 0.5), f"{self._where}: draw_threshold")
        wanted = list(sizes_for(self._arch, (1, 1), np.zeros((3, 1, 1)), 1.0))
        pictures = [i.alias for i in signature.inputs if len(i.shape) == 4]
        others = {i.name: i.alias for i in signature.inputs if len(i.shape) != 4}
        if len(pictures) != 1 or sorted(others) != sorted(wanted):
            came = ", ".join(f"{i.alias!r} {i}" for i in signature.inputs)
            raise BadConfig(
                f"{self._where}: {self._arch} takes a picture and {', '.join(wanted)}; the model takes {came}"
            )
        self._picture, self._others = pictures[0], others

    def check(self, options: Mapping[str, Any]) -> None:
        """See `task.Task.check`."""
        options_of.threshold(options_of.checked(options, _KNOWN).get("threshold", self._threshold))

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """See `task.Task.fed`."""
        self.check(options)
        image, scale = run_steps(self._steps, picture[:, :, ::-1])
        sizes = sizes_for(self._arch, (picture.shape[0], picture.shape[1]), image, scale)
        return {self._picture: image[None], **{alias: sizes[name][None] for name, alias in self._others.items()}}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """See `task.Task.found`."""
        given = options_of.checked(options, _KNOWN)
        least = options_of.threshold(given.get("threshold", self._threshold))
        name = boxes_in(outputs)
        try:
            rows = require_rows(outputs[name], len(self._labels), f"the model's output {name!r}")
        except BadInput as exc:
            raise BadConfig(f"{self._where} does not fit the model: {exc}") from exc
        by_class = least if isinstance(least, Mapping) else {}
        usual = 0.5 if isinstance(least, Mapping) else least
        rows = rows[[score > by_class.get(int(k), usual) for k, score in rows[:, :2]]].copy()
        height, width = picture.shape[:2]
        if "SSD" in self._arch:  # parts of the picture
            rows[:, 2:] *= [width, height, width, height]
        rows[:, 2:] = np.clip(rows[:, 2:], 0, [width, height, width, height])
        classes = rows[:, 0].astype(int).tolist()
        labels = [self._labels[k] for k in classes]
        return {"boxes": rows[:, 2:].tolist(), "labels": labels, "scores": rows[:, 1].tolist(), "classes": classes}

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """See `task.Task.drawn`."""
        pairs = zip(found["classes"], found["scores"], found["boxes"], strict=True)
        rows = np.array([[k, score, *box] for k, score, box in pairs], np.float32).reshape(-1, 6)
        return LabelledBoxes(self._labels, 0.0)(picture, rows)
