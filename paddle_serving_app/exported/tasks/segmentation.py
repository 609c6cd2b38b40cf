"""What is where in a picture: a class for each pixel."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.description import LABEL_FILE, Description
from paddle_serving_app.exported.inputs import picture_input
from paddle_serving_app.exported.task import Task
from paddle_serving_app.exported.transforms import Ops, ops_of, segmentation_table
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.image import BGR2RGB, Sequential, Transpose
from paddle_serving_app.ops.labels import read_labels
from paddle_serving_app.ops.segmentation import MAX_CLASSES, MaskOverlay, class_mask, class_shares
from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array, describe

WANTS = "Deploy.transforms"


def claims(description: Description) -> bool:
    """By the dialect."""
    return description.dialect == "Deploy.transforms"


def make(description: Description, signature: Signature) -> Task:
    """See `task.Kind.make`."""
    spec = picture_input(signature, description.where)
    steps: Ops = [BGR2RGB(), *ops_of(description, segmentation_table(description))]
    labels = read_labels(description.folder / LABEL_FILE) if (description.folder / LABEL_FILE).is_file() else None
    return Segmentation(spec.alias, Sequential([*steps, Transpose((2, 0, 1))]), labels, description.where)


class Segmentation:
    """See `task.Task`; there are no options.

    Args:
        alias: of the model's input.
        prepare: from a BGR picture to (3, H, W) float32.
        labels: the names of the classes; None: they have numbers.
        where: what says so, for messages.
    """

    title = "What is where in a picture / 图像分割"
    outputs = ("labels", "shares", "mask", "classes", "image")
    usual = ("labels", "shares")

    def __init__(self, alias: str, prepare: Sequential, labels: Sequence[str] | None, where: str) -> None:
        self._alias = alias
        self._prepare = prepare
        self._labels = labels
        self._where = where

    def check(self, options: Mapping[str, Any]) -> None:
        """See `task.Task.check`."""
        options_of.checked(options, ())

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """See `task.Task.fed`."""
        self.check(options)
        return {self._alias: self._prepare.batch([picture])}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """See `task.Task.found`; the largest class first, and the mask as large as the picture."""
        output = np.asarray(next(iter(outputs.values())))
        try:
            mask = class_mask(output, self._count(output))
        except BadInput as exc:
            raise BadConfig(f"{self._where} does not fit the model: {exc}") from exc
        shares = class_shares(mask, self._count(output))
        there = [k for k in np.argsort(shares)[::-1].tolist() if shares[k] > 0]
        size = picture.shape[1], picture.shape[0]
        return {
            "labels": [self._label(k) for k in there],
            "shares": [shares[k] for k in there],
            "classes": there,
            "mask": cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST),
        }

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """See `task.Task.drawn`."""
        count = len(self._labels) if self._labels else max(int(found["mask"].max()) + 1, 2)
        return MaskOverlay([self._label(k) for k in range(count)])(picture, found["mask"])

    def _label(self, k: int) -> str:
        return self._labels[k] if self._labels else f"class {k}"

    def _count(self, output: Array) -> int:
        """How many classes there are: as many as labels, or scores, or else as a mask can have."""
        if self._labels is not None:
            return len(self._labels)
        is_scores = output.dtype.kind == "f" and output.ndim == 4 and output.shape[1] > 1
        count = output.shape[1] if is_scores else MAX_CLASSES
        if count > MAX_CLASSES:
            raise BadInput(f"at most {MAX_CLASSES} classes are painted, the model gave {describe(output)}")
        return count
