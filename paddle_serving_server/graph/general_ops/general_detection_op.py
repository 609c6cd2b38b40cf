"""GeneralDetectionOp: a picture goes in as base64 text, the lines of text found in it come out, one row for each.

The model is a text detector (Differentiable Binarization) with one picture as input and a map of probabilities as
output. The next model gets the lines as `x`, float32 (lines, 3, H, W): straightened, in reading order, brought to the
height of its input (32 where that may vary), scaled to -1..1. A picture without text gives no lines.

Source: PaddlePaddle/Serving, core/general-server/op/general_detection_op: the same thresholds and sizes. It gave the
lines in the order in which they were found, from below.
"""

import copy
import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.user_code.threads import Threads

if TYPE_CHECKING:  # OpenCV is imported when the op is made, and not by who only asks which ops there are
    from paddle_serving_app.ops.arrays import ImageU8

LINES: Final = "x"
MAX_SIDE: Final = 960
"""Pixels; a larger picture is made smaller for the detector."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
THRESHOLDS: Final = {"thresh": 0.3, "box_thresh": 0.5, "max_candidates": 1000, "unclip_ratio": 2.0, "use_dilation": 1}
SMALLEST: Final = 4
"""Pixels; a line that is not wider and higher is noise."""
DEFAULT_HEIGHT: Final = 32
LEAST_WIDTH: Final = 320
"""Pixels; shorter lines are filled up to it, as the recognisers learned them."""
MAX_VALUES: Final = 64_000_000
"""In the lines of one picture, together: 256 MB."""


def make(engine: Engine, following: Engine | None, threads: Threads) -> Engine:
    """See the package.

    Raises:
        BadConfig: the model is not a text detector.
    """
    return TextLines(engine, following, threads)


class TextLines:
    """A text detector as an engine from pictures to lines."""

    def __init__(self, engine: Engine, following: Engine | None, threads: Threads) -> None:
        from paddle_serving_app.reader import (
            DBPostProcess,
            Div,
            FilterBoxes,
            GetRotateCropImage,
            Normalize,
            ReadImage,
            ResizeByFactor,
            Sequential,
            SortedBoxes,
            Transpose,
        )

        given = engine.signature
        if len(given.inputs) != 1 or len(given.outputs) != 1 or len(given.inputs[0].shape) != 4:
            takes = ", ".join(f"{i.alias} {i}" for i in given.inputs)
            gives = ", ".join(o.alias for o in given.outputs)
            raise BadConfig(
                "GeneralDetectionOp needs a text detector: a picture (-1, 3, -1, -1) in, a map of probabilities out; "
                f"this model takes {takes} and gives {gives}"
            )
        self._engine = engine
        self._threads = threads
        self._read = ReadImage()
        self._to_input = Sequential(
            [ResizeByFactor(32, MAX_SIDE), Div(255.0), Normalize(MEAN, DEVIATION), Transpose((2, 0, 1))]
        )
        self._detected = DBPostProcess(THRESHOLDS)
        self._drop_small = FilterBoxes(SMALLEST, SMALLEST)
        self._in_order = SortedBoxes("ppocr-v4")
        self._cut_out = GetRotateCropImage()
        self._following = following

    @property
    def signature(self) -> Signature:
        """The detector's input as text, and the lines."""
        picture = self._engine.signature.inputs[0]
        height, width = _size_of(self._following)
        return Signature(
            (Input(picture.name, picture.alias, dtype.STRING, (-1,)),),
            (Output(LINES, LINES, dtype.code_of(np.float32), (3, height, width or -1)),),
        )

    @property
    def backend_name(self) -> str:
        """The detector's."""
        return self._engine.backend_name

    @property
    def plan(self) -> Mapping[str, object]:
        """The detector's."""
        return self._engine.plan

    @property
    def version(self) -> str:
        """The detector's."""
        return self._engine.version

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        started = time.monotonic()
        (strings,) = arranged.arrays
        if len(strings) > 1 or not strings[0]:
            problem = "it is empty" if len(strings) == 1 else f"{len(strings)} came, it is one at a time"
            raise BadInput(f"input {self.signature.inputs[0].alias!r} is a picture as a string: {problem}")
        text = strings[0]
        picture, x = await self._threads.run(partial(self._opened, text), context.deadline)
        detector = self._engine.signature  # no `await` from here to `run`
        feed = detector.arrange({detector.inputs[0].alias: x})
        reply = await self._engine.run(feed, (0,), context)
        lines = await self._threads.run(
            partial(self._lines_of, picture, reply.arrays[0]), context.deadline, is_begun=True
        )
        # Reading the picture and cutting out the lines count as running the model.
        run_ms = (time.monotonic() - started) * 1000 - reply.queue_ms
        arrays = tuple(lines for _ in outputs)
        times = reply.input_ms, reply.output_ms
        return Reply(arrays, {}, reply.queue_ms, run_ms, 1, *times, sent=started)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`."""
        held = copy.copy(self)
        held._engine = self._engine.held(context)
        return held

    async def close(self) -> None:
        """Let go of the model."""
        await self._engine.close()

    def _opened(self, text: bytes) -> "tuple[ImageU8, Array]":
        """The picture, and the detector's input (1, 3, H, W)."""
        picture = self._read(text.decode("latin-1"))
        return picture, self._to_input(picture)[None]

    def _lines_of(self, picture: "ImageU8", probabilities: Array) -> Array:
        """The lines of a picture in reading order, (K, 3, height, width) float32; K may be 0."""
        from paddle_serving_app.ops.ocr import normalized_line

        boxes, _ = self._detected.find(probabilities[0, 0], picture.shape[1], picture.shape[0])
        quads = self._in_order(self._drop_small(boxes, picture.shape[:2]))
        cut = [self._cut_out(picture, quad) for quad in quads]
        height, width = _size_of(self._following)
        width = width or max([LEAST_WIDTH, *(math.ceil(height * line.shape[1] / line.shape[0]) for line in cut)])
        if len(cut) * 3 * height * width > MAX_VALUES:
            raise TooLarge(
                f"{len(cut)} lines of up to {width} pixels were found in the picture, which is too much text"
            )
        lines = np.zeros((len(cut), 3, height, width), np.float32)
        for k, line in enumerate(cut):
            lines[k] = normalized_line(line, height, width)
        return lines


def _size_of(following: Engine | None) -> tuple[int, int]:
    """Height and width of the lines that the next model takes; a width of 0 may be any."""
    shape = following.signature.inputs[0].shape if following is not None and following.signature.inputs else ()
    height, width = shape[2:] if len(shape) == 4 else (-1, -1)
    return max(height, 0) or DEFAULT_HEIGHT, max(width, 0)
