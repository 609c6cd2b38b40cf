"""Where text is in a picture: boxes, or polygons where text is curved."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.description import Description
from paddle_serving_app.exported.inputs import only_output, picture_input
from paddle_serving_app.exported.settings import Settings
from paddle_serving_app.exported.task import Task
from paddle_serving_app.exported.transforms import channels_first, normalize_by_scale, picture_ops
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.draw import BoxDrawing
from paddle_serving_app.ops.fit import TextResize
from paddle_serving_app.ops.image import Sequential
from paddle_serving_app.ops.text_boxes import DBPostProcess
from paddle_serving_app.ops.text_polygons import find_polygons
from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array

WANTS = "PostProcess.name DBPostProcess"
KNOWN: Final = ("limit_side_len", "limit_type", "max_side_limit", "thresh", "box_thresh", "unclip_ratio")
_OF_TRAINING = ("DetLabelEncode", "KeepKeys")
_RESIZE = "DetResizeForTest"
_LONGEST_SIDE = 4000
_LIMIT, _LONG_LIMIT = 736, 960


def claims(description: Description) -> bool:
    """By what stands behind the model."""
    return description.part("PostProcess").get("name") == "DBPostProcess"


def make(description: Description, signature: Signature) -> Task:
    """See `task.Kind.make`."""
    return TextDetection(description, signature)


class TextDetection:
    """See `task.Task`; options: see `KNOWN`."""

    title = "Find text in pictures / 文本检测"
    outputs = ("boxes", "scores", "image")
    usual = ("boxes", "scores")

    def __init__(self, description: Description, signature: Signature) -> None:
        table = {"NormalizeImage": normalize_by_scale, "ToCHWImage": channels_first}
        self.alias = picture_input(signature, description.where).alias
        self._prepare = Sequential(picture_ops(description, table, (*_OF_TRAINING, _RESIZE)))
        resizes = [step for step in description.steps if step.name == _RESIZE]
        self._limits, self._exact = _limits(Settings.of(resizes[0])) if resizes else ((_LIMIT, "min"), {})
        self._read_post(Settings(description.part("PostProcess"), f"{description.where}: PostProcess"))

    def _read_post(self, post: Settings) -> None:
        post.ignore("name")
        self._params = {
            "thresh": post.number("thresh", 0.3),
            "box_thresh": post.number("box_thresh", 0.6),
            "unclip_ratio": post.number("unclip_ratio", 2.0, 0.0),
        }
        self._most = post.whole("max_candidates", 1000, least=1, most=100_000)
        self._dilates = post.truth("use_dilation")
        post.word("score_mode", "fast", ("fast",))
        self._is_curved = post.word("box_type", "quad", ("quad", "poly")) == "poly"
        post.end()

    def check(self, options: Mapping[str, Any]) -> None:
        """See `task.Task.check`."""
        given = options_of.checked(options, KNOWN)
        self._resize(given)
        self._params_of(given)

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """See `task.Task.fed`."""
        given = options_of.checked(options, KNOWN)
        self.check(options)
        return {self.alias: self._prepare.batch([self._resize(given)(picture)])}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """See `task.Task.found`; in the order in which they are found, from the bottom up."""
        given = options_of.checked(options, KNOWN)
        params = self._params_of(given)
        heat = only_output(outputs, 4, "a map of text")[0, 0]
        high, wide = TextResize.padded(picture).shape[:2]
        if self._is_curved:
            polygons, scores = find_polygons(heat, wide, high, max_candidates=self._most, **params)
            return {"boxes": [polygon.tolist() for polygon in polygons], "scores": scores}
        found = DBPostProcess({**params, "max_candidates": self._most, "use_dilation": self._dilates})
        boxes, scores = found.find(heat, wide, high)
        return {"boxes": np.minimum(boxes, [picture.shape[1], picture.shape[0]]).tolist(), "scores": scores}

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """See `task.Task.drawn`."""
        return BoxDrawing()(picture, [np.array(box) for box in found["boxes"]])

    def _params_of(self, given: Mapping[str, Any]) -> dict[str, float]:
        return {name: options_of.asked(given.get(name, usual), name) for name, usual in self._params.items()}

    def _resize(self, given: Mapping[str, Any]) -> TextResize:
        length, kind = given.get("limit_side_len", self._limits[0]), given.get("limit_type", self._limits[1])
        longest = options_of.asked(given.get("max_side_limit", _LONGEST_SIDE), "max_side_limit", 32, _LONGEST_SIDE)
        try:
            return TextResize(
                int(options_of.asked(length, "limit_side_len", 1)), str(kind), int(longest), **self._exact
            )
        except BadConfig as exc:
            raise BadInput(str(exc)) from exc


def _limits(settings: Settings) -> tuple[tuple[int, str], dict[str, Any]]:
    """How `DetResizeForTest` is meant: the long side is a limit for it, as for all models that name it."""
    exact: dict[str, Any] = {}
    if "image_shape" in settings:
        height, width = settings.sizes("image_shape")
        exact = {"exact": (height, width), "keep_ratio": settings.truth("keep_ratio")}
    long = settings.whole("resize_long", 0, most=65535)
    length = settings.whole("limit_side_len", long or _LIMIT, least=1, most=65535)
    kind = settings.word("limit_type", "max" if long else "min", ("max", "min", "resize_long"))
    settings.ignore("max_side_limit")
    settings.end()
    return (length, kind), exact
