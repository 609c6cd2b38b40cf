"""Services that look at pictures: a task says what stands before and behind the model, this is all the rest.

    class Shapes(PictureService):
        def make_task(self):
            return Segmentation(...)          # anything that `paddle_serving_app.exported.task.Task` describes

The answer has a list for each thing that is asked for, with an entry for each picture of the request. Pictures that are
a part of an answer are files in base64: PNG, and JPEG for "image", the picture with everything drawn in.
"""

import base64
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from paddle_serving_app.exported.task import Task
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.decode import ReadImage
from paddle_serving_app.ops.resize import Resize
from paddle_serving_client.errors import BadInput, TooLarge
from paddle_serving_client.message import Array, Instance
from paddle_serving_server.services.web_service import WebService

MOST_PICTURES = 16
"""In one request."""
LARGEST_DRAWN = 1600
"""Longer side of a drawn picture, in pixels."""
DRAWN = "image"
"""The output that is the picture with what was found drawn in; also the input that is the picture."""


class Opened(NamedTuple):
    """One instance of a request, read."""

    picture: ImageU8
    options: Mapping[str, Any]
    """What else was said of it."""
    wanted: tuple[str, ...] = ()
    """Of the first: the names that are to be answered."""


class PictureService(WebService):
    """Pictures in; what a task finds in them out."""

    kind = "image"

    @abstractmethod
    def make_task(self) -> Task:
        """The task, made once in each serving process; `self.signature` is that of the model."""

    @property
    def task(self) -> Task:
        """The task of the model that answers."""
        return self._task

    def init_service(self) -> None:
        """Make the steps; they keep no state between requests."""
        self._read = ReadImage()
        self._task = self.make_task()
        self.title, self.outputs = self.title or self._task.title, tuple(self._task.outputs)

    def preprocess(
        self,
        feed: list[Any] = [],  # noqa: B006  # see `SteppedService.preprocess`
        fetch: list[str] = [],  # noqa: B006
    ) -> tuple[Any, ...]:
        """Make the first picture the input of the model."""
        task = self.task
        if unknown := set(fetch) - set(task.outputs):
            raise BadInput(f"unknown fetch {sorted(unknown)[0][:64]!r}; there are {', '.join(task.outputs)}")
        if len(feed) > MOST_PICTURES:
            raise TooLarge(f"{len(feed)} pictures came; at most {MOST_PICTURES} are looked at in one request")
        for k, instance in enumerate(feed):
            if DRAWN not in instance:
                raise BadInput(f"feed[{k}] has no 'image': a picture file, or its base64 text")
            try:
                feed[k] = self._opened(instance)  # `postprocess` gets this same list
            except BadInput as exc:
                raise exc if len(feed) == 1 else type(exc)(f"feed[{k}]: {exc}") from exc
        # What is asked for are names of the task; the model gives all of its outputs, whatever they are called.
        feed[0] = feed[0]._replace(wanted=tuple(fetch) or tuple(task.usual))
        return task.fed(feed[0].picture, feed[0].options), (), True

    def postprocess(
        self,
        feed: list[Any] = [],  # noqa: B006
        fetch: list[str] = [],  # noqa: B006
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, Any]:
        """From outputs to what was asked for; the same for further pictures, one at a time: their shapes differ."""
        task = self.task
        answer: dict[str, list[Any]] = {name: [] for name in feed[0].wanted}
        for k, (picture, options, _) in enumerate(feed):
            outputs = (fetch_map or {}) if k == 0 else self.predict("", task.fed(picture, options), batch=True)
            found = task.found(picture, outputs, options)
            if DRAWN in answer:
                with self.stage("drawing"):
                    found[DRAWN] = encoded(".jpg", shrunk(task.drawn(picture, found)))
            for name, values in answer.items():
                values.append(_sayable(found[name]))
        return answer

    def _opened(self, instance: Instance) -> Opened:
        options = {name: value for name, value in instance.items() if name != DRAWN}
        return Opened(self._read(instance[DRAWN]), options)


def shrunk(picture: ImageU8) -> ImageU8:
    """A picture for the screen."""
    if max(picture.shape[:2]) <= LARGEST_DRAWN:
        return picture
    return np.asarray(Resize(min(*picture.shape[:2]), max_size=LARGEST_DRAWN)(picture), np.uint8)


def encoded(kind: str, picture: Array) -> str:
    """A picture file as base64 text."""
    return base64.b64encode(cv2.imencode(kind, picture)[1].tobytes()).decode("ascii")


def _sayable(value: Any) -> Any:
    """A value as JSON has it; pictures as files."""
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype == np.uint8:
        return encoded(".png", value)
    is_masks = isinstance(value, Sequence) and bool(value) and isinstance(value[0], np.ndarray)
    return [_sayable(item) for item in value] if is_masks else value
