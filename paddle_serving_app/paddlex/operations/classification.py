"""/image-classification and /multilabel-image-classification: what a picture shows."""

from collections.abc import Mapping
from typing import Any, Final

from paddle_serving_app.paddlex import single
from paddle_serving_app.paddlex.fields import COMMON, Check, any_threshold, positive, text
from paddle_serving_app.paddlex.operation import Models

FIELDS: Final[Mapping[str, Check]] = {"image": text, "topk": positive, "threshold": any_threshold, **COMMON}
NEEDED: Final = "image"


def check(models: Models) -> None:
    """See `Operation.check`."""
    single.refuse_other(models, ("classes",))


def result(models: Models, said: Mapping[str, Any], visualizes: bool) -> dict[str, Any]:
    """See `Operation.result`."""
    picture, seen = single.opened(models, said, _options(models))
    each = zip(seen["classes"], seen["labels"], seen["scores"], strict=True)
    categories = [{"id": k, "name": label, "score": score} for k, label, score in each]
    return single.with_picture({"categories": categories}, models, picture, seen, visualizes)


def _options(models: Models) -> tuple[str, ...]:
    return ("threshold",) if "multilabel" in models.spec.pipeline.operation else ("topk",)
