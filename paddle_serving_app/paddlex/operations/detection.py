"""/object-detection and its kin: the things in a picture, the parts of a page, upright or turned."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from paddle_serving_app.paddlex import single
from paddle_serving_app.paddlex.fields import COMMON, Check, text, threshold
from paddle_serving_app.paddlex.operation import Models

FIELDS: Final[Mapping[str, Check]] = {"image": text, "threshold": threshold, **COMMON}
NEEDED: Final = "image"


def check(models: Models) -> None:
    """See `Operation.check`."""
    single.refuse_other(models, ("boxes", "labels"))


def result(models: Models, said: Mapping[str, Any], visualizes: bool) -> dict[str, Any]:
    """See `Operation.result`."""
    picture, seen = single.opened(models, said, ("threshold",))
    return single.with_picture({"detectedObjects": objects(seen)}, models, picture, seen, visualizes)


def objects(seen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was found, as PaddleX names it; the corners of turned boxes one after the other."""
    each = zip(seen["boxes"], seen["classes"], seen["labels"], seen["scores"], strict=True)
    return [
        {"bbox": np.array(box).reshape(-1).tolist(), "categoryId": k, "categoryName": label, "score": score}
        for box, k, label, score in each
    ]
