"""What the operations with one model have in common."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.paddlex import files
from paddle_serving_app.paddlex.operation import Models, found
from paddle_serving_client.errors import BadConfig, BadInput


def opened(models: Models, said: Mapping[str, Any], options: Sequence[str]) -> tuple[ImageU8, dict[str, Any]]:
    """The picture of a request, and what the one model finds in it.

    Args:
        models: of the pipeline.
        said: the fields; `image` is the picture.
        options: names of fields that are options of the task.
    """
    picture = files.picture(said["image"])
    given = {name: said[name] for name in options if name in said}
    return picture, found(models, models.spec.pipeline.modules[0], picture, given)


def with_picture(
    result: dict[str, Any], models: Models, picture: ImageU8, seen: Mapping[str, Any], visualizes: bool
) -> dict[str, Any]:
    """A result, with the picture that it is drawn in, if that is wanted."""
    if visualizes:
        task = models.task(models.spec.pipeline.modules[0])
        result["image"] = jpeg(task.drawn(picture, seen))
    return result


def jpeg(picture: ImageU8) -> str:
    """A picture as base64 of a JPEG."""
    return base64.b64encode(cv2.imencode(".jpg", np.asarray(picture))[1].tobytes()).decode("ascii")


def refuse_other(models: Models, outputs: Sequence[str]) -> None:
    """Refuse a pipeline whose one model is of another task, or has settings that the task does not know.

    Args:
        models: of the pipeline.
        outputs: what the task must find.

    Raises:
        BadConfig: the message names the model, or the setting.
    """
    name = models.spec.pipeline.modules[0]
    task, module = models.task(name), models.spec.modules[name]
    where = f"{models.spec.path}: SubModules.{name}"
    if missing := [output for output in outputs if output not in task.outputs]:
        raise BadConfig(f"{where}: {module.folder} is for another task: {task.title}; it finds no {', '.join(missing)}")
    try:
        task.check(module.settings)
    except BadInput as exc:
        raise BadConfig(f"{where}: {exc}") from exc
