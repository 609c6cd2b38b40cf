"""The joints of the one person that a picture shows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.description import Description
from paddle_serving_app.exported.inputs import only_output, picture_input
from paddle_serving_app.exported.task import Task
from paddle_serving_app.exported.transforms import KEYPOINTS, detector_table, ops_of
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.draw import paint_points
from paddle_serving_app.ops.image import BGR2RGB, Sequential
from paddle_serving_app.ops.keypoints import JointsOfHeatmaps
from paddle_serving_app.signature import Signature
from paddle_serving_client.message import Array

WANTS = "Preprocess with TopDownEvalAffine"


def claims(description: Description) -> bool:
    """By the step that cuts one person out."""
    return description.dialect == "Preprocess" and description.has_step("TopDownEvalAffine")


def make(description: Description, signature: Signature) -> Task:
    """See `task.Kind.make`."""
    return Keypoints(description, signature)


class Keypoints:
    """See `task.Task`; there are no options."""

    title = "The joints of a person / 人体关键点"
    outputs = ("points", "scores", "image")
    usual = ("points", "scores")

    def __init__(self, description: Description, signature: Signature) -> None:
        self._alias = picture_input(signature, description.where).alias
        steps = ops_of(description, detector_table(description, KEYPOINTS))
        self._prepare = Sequential([BGR2RGB(), *steps])
        self._find = JointsOfHeatmaps()

    def check(self, options: Mapping[str, Any]) -> None:
        """See `task.Task.check`."""
        options_of.checked(options, ())

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """See `task.Task.fed`."""
        self.check(options)
        return {self._alias: self._prepare.batch([picture])}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """See `task.Task.found`; points (x, y) in pixels."""
        heat = only_output(outputs, 4, "heat maps of joints")[0]
        points = self._find(heat, picture.shape[1], picture.shape[0])
        return {"points": points[:, :2].tolist(), "scores": points[:, 2].tolist()}

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """See `task.Task.drawn`."""
        return paint_points(picture, np.array(found["points"]).reshape(-1, 2))
