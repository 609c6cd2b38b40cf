"""What a picture of one line of text says."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.description import Description
from paddle_serving_app.exported.inputs import only_output, picture_input
from paddle_serving_app.exported.settings import Settings
from paddle_serving_app.exported.task import Task
from paddle_serving_app.exported.transforms import picture_ops
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.image import Sequential
from paddle_serving_app.ops.ocr import ctc_decode, normalized_line
from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.message import Array

WANTS = "PostProcess.name CTCLabelDecode"
WIDEST = 3200
"""Pixels of the input; longer lines are squeezed."""
_RESIZE = "RecResizeImg"
_OTHERS = ("MultiLabelEncode", "KeepKeys", "CTCLabelEncode", _RESIZE)
"""Steps of training, and the one that is made of lines together."""


def claims(description: Description) -> bool:
    """By what stands behind the model."""
    return description.part("PostProcess").get("name") == "CTCLabelDecode"


def make(description: Description, signature: Signature) -> Task:
    """See `task.Kind.make`."""
    return TextRecognition(description, signature)


class TextRecognition:
    """See `task.Task`; there are no options."""

    title = "Read a line of text / 文本识别"
    outputs = ("texts", "scores")
    usual = outputs

    def __init__(self, description: Description, signature: Signature) -> None:
        where = description.where
        self._decode = Sequential(picture_ops(description, {}, _OTHERS))
        resizes = [step for step in description.steps if step.name == _RESIZE]
        if not resizes:
            raise BadConfig(f"{where}: reading a line needs the step {_RESIZE}")
        settings = Settings.of(resizes[0])
        channels, self.height, self.width = (int(side) for side in settings.numbers("image_shape", 3))
        if channels != 3 or not 8 <= self.height <= 512 or not 1 <= self.width <= WIDEST:
            raise BadConfig(f"{where}: {_RESIZE}.image_shape must be [3, height, width]")
        settings.ignore("eval_mode", "padding")
        settings.end()
        post = Settings(description.part("PostProcess"), f"{where}: PostProcess")
        post.ignore("name")
        self.characters = (*description.labels(post.raw("character_dict"), "PostProcess.character_dict"), " ")
        post.end()
        self.alias = picture_input(signature, where).alias

    def check(self, options: Mapping[str, Any]) -> None:
        """See `task.Task.check`."""
        options_of.checked(options, ())

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """See `task.Task.fed`."""
        self.check(options)
        return self.lines_fed([picture])

    def lines_fed(self, lines: list[ImageU8]) -> dict[str, Array]:
        """The input for several lines, each filled up to the width of the widest."""
        longest = max(self.width / self.height, *(line.shape[1] / line.shape[0] for line in lines))
        width = min(int(self.height * longest), WIDEST)
        pictures = [self._decode(line) for line in lines]
        inputs = [normalized_line(line, self.height, self._width_of(line, width)) for line in pictures]
        whole = np.zeros((len(lines), 3, self.height, width), np.float32)
        for into, line in zip(whole, inputs, strict=True):
            into[:, :, : line.shape[2]] = line
        return {self.alias: whole}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """See `task.Task.found`."""
        only_output(outputs, 3, "the letters of a line")
        ((text, score),) = self.lines_found(outputs)
        return {"texts": [text], "scores": [score]}

    def lines_found(self, outputs: Mapping[str, Array]) -> list[tuple[str, float]]:
        """What each line of `lines_fed` says, and how sure that is."""
        return ctc_decode(np.asarray(next(iter(outputs.values()))), self.characters)

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """See `task.Task.drawn`; there is nothing to draw."""
        return picture

    def _width_of(self, line: ImageU8, most: int) -> int:
        """How wide a line is by itself, before it is filled up to the others."""
        return min(int(self.height * max(self.width / self.height, line.shape[1] / line.shape[0])), most)
