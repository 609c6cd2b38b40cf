"""The things in a picture, or the parts of a page: boxes, upright or turned; with masks where the model gives some.

What the outputs are is seen at them: rows of 6 to 10 numbers, how many there are, and masks; or, as SOLOv2 has them,
how many, classes, scores and masks.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.description import Description
from paddle_serving_app.exported.inputs import detector_inputs
from paddle_serving_app.exported.rules import KNOWN, changed, rules_of
from paddle_serving_app.exported.task import Task
from paddle_serving_app.exported.transforms import DETECTOR, detector_table, ops_of
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.boxes import boxes_in
from paddle_serving_app.ops.detector_input import DetectorInput
from paddle_serving_app.ops.draw import BoxDrawing
from paddle_serving_app.ops.instances import paint_masks, whole_masks
from paddle_serving_app.ops.layout_boxes import TURNED, BoxRules, require_columns
from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BackendFailed, BadConfig, BadInput
from paddle_serving_client.message import Array, describe

WANTS = "Preprocess, without TopDownEvalAffine"


def claims(description: Description) -> bool:
    """By the dialect, where no person is cut out first."""
    is_old = description.values.get("mode") == "fluid"
    return description.dialect == "Preprocess" and not description.has_step("TopDownEvalAffine") and not is_old


def make(description: Description, signature: Signature) -> Task:
    """See `task.Kind.make`."""
    labels = description.labels(description.values.get("label_list"), "label_list")
    return Detection(
        detector_inputs(signature, description.where),
        DetectorInput(ops_of(description, detector_table(description, DETECTOR))),
        rules_of(description.values, labels, description.where),
        description.where,
        has_masks=len(signature.outputs) > 2,
    )


class Detection:
    """See `task.Task`; options: see `rules.KNOWN`.

    Args:
        inputs: see `inputs.detector_inputs`.
        prepare: the steps before the model.
        rules: what is kept of its boxes, with their labels.
        where: what says so, for messages.
        has_masks: whether it gives masks.
    """

    usual = ("boxes", "labels", "scores")

    def __init__(
        self,
        inputs: Mapping[str, str],
        prepare: DetectorInput,
        rules: BoxRules,
        where: str,
        has_masks: bool = False,
    ) -> None:
        self.labels = rules.labels
        self.rules = rules
        self._where = where
        self._inputs = inputs
        self._prepare = prepare
        self.outputs = ("boxes", "labels", "scores", "classes", *(["masks"] if has_masks else []), "image")
        self.title = "Things and their outlines / 实例分割" if has_masks else "Find things in pictures / 目标检测"

    def check(self, options: Mapping[str, Any]) -> None:
        """See `task.Task.check`."""
        changed(self.rules, options_of.checked(options, KNOWN))

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """See `task.Task.fed`."""
        self.check(options)
        image, sizes = self._prepare(picture)
        return {alias: sizes.get(what, image)[None] for what, alias in self._inputs.items()}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """See `task.Task.found`; boxes in pixels, in the order of the model or, of a page, in reading order."""
        rules = changed(self.rules, options_of.checked(options, KNOWN))
        height, width = picture.shape[:2]
        try:
            rows, masks = self._rows(outputs, rules.threshold)
            if masks is not None:
                kept = replace(rules, nms=False, merge=None, unclip=None).kept(rows)
                rows, masks = rows[kept].copy(), whole_masks(masks[kept], width, height)
                rows[:, 2:6] = np.clip(rows[:, 2:6], 0, [width, height, width, height])
            else:
                rows = rules(rows, width, height)
        except BadInput as exc:
            raise BadConfig(f"{self._where} does not fit the model: {exc}") from exc
        classes = rows[:, 0].astype(int).tolist()
        found: dict[str, Any] = {
            "boxes": _boxes(rows),
            "labels": [self.labels[k] for k in classes],
            "scores": rows[:, 1].tolist(),
            "classes": classes,
        }
        return found if masks is None else {**found, "masks": list(masks)}

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """See `task.Task.drawn`."""
        classes, scores = found["classes"], found["scores"]
        labels = [self.labels[k] for k in classes]
        if self.rules.order == "reading":
            labels = [f"{place}. {label}" for place, label in enumerate(labels, 1)]
        if "masks" in found:
            picture = paint_masks(picture, found["masks"], classes)
        boxes = [np.array(box) for box in found["boxes"]]
        corners = [box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2) if box.ndim == 1 else box for box in boxes]
        return BoxDrawing()(picture, corners, labels, scores, classes)

    def _rows(self, outputs: Mapping[str, Array], threshold: object) -> tuple[Array, Array | None]:
        """The boxes of the one picture, and their masks."""
        arrays = [np.asarray(array) for array in outputs.values()]
        masks = next((array for array in arrays if array.ndim == 3), None)
        flat = [array for array in arrays if array.ndim == 1]
        if masks is not None and not any(array.ndim == 2 and array.shape[1] >= 6 for array in arrays):
            return self._rows_of_masks(flat, masks), masks
        name = next((n for n, a in outputs.items() if a.ndim == 2 and a.shape[1] in (7, 8, TURNED)), boxes_in(outputs))
        rows = np.asarray(outputs[name])
        if rows.size == 0 or rows.shape == (1, 1):
            return np.zeros((0, 6), np.float32), None if masks is None else masks[:0]
        require_columns(rows, len(self.labels))
        counts = [array for array in flat if array.dtype.kind in "iu" and len(array) == 1]
        count = int(counts[0][0]) if counts else len(rows)
        if not 0 <= count <= len(rows) or (masks is not None and len(masks) < count):
            raise BackendFailed(f"the model says it has {count} boxes, but gave {describe(rows)}")
        return rows[:count], None if masks is None else masks[:count]

    def _rows_of_masks(self, flat: list[Array], masks: Array) -> Array:
        """Rows out of classes and scores that have no boxes: those around the masks."""
        pairs = [array for array in flat if len(array) == len(masks)]
        classes = next((array for array in pairs if array.dtype.kind in "iu"), None)
        scores = next((array for array in pairs if array.dtype.kind == "f"), None)
        if classes is None or scores is None:
            raise BackendFailed(f"the model gave masks, {describe(masks)}, and no classes and scores of them")
        boxes = [cv2.boundingRect((mask > 0).astype(np.uint8)) for mask in masks]
        corners = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes], np.float32).reshape(-1, 4)
        rows = np.concatenate([np.stack([classes, scores], axis=1).reshape(-1, 2), corners], axis=1).astype(np.float32)
        require_columns(rows, len(self.labels))
        return rows


def _boxes(rows: Array) -> list[Any]:
    """Corners of upright boxes, [x1, y1, x2, y2], or of turned ones, [[x, y], ...]."""
    return rows[:, 2:].reshape(-1, 4, 2).tolist() if rows.shape[1] == TURNED else rows[:, 2:].tolist()
