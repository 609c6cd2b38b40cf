"""/semantic-segmentation: a class for each pixel."""

from collections.abc import Mapping
from typing import Any, Final

from paddle_serving_app.paddlex import single
from paddle_serving_app.paddlex.fields import COMMON, Check, Refused, text
from paddle_serving_app.paddlex.operation import Models

FIELDS: Final[Mapping[str, Check]] = {"image": text, "targetSize": lambda value: [], **COMMON}
NEEDED: Final = "image"


def check(models: Models) -> None:
    """See `Operation.check`."""
    single.refuse_other(models, ("mask",))


def result(models: Models, said: Mapping[str, Any], visualizes: bool) -> dict[str, Any]:
    """See `Operation.result`."""
    if "targetSize" in said:
        raise Refused("targetSize is not offered here: the size is that of the model's own file")
    picture, seen = single.opened(models, said, ())
    mask = seen["mask"]
    result = {"labelMap": mask.reshape(-1).tolist(), "size": list(mask.shape)}
    return single.with_picture(result, models, picture, seen, visualizes)
