"""/instance-segmentation: the things in a picture, with their outlines."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from paddle_serving_app.paddlex import single
from paddle_serving_app.paddlex.fields import COMMON, Check, number, text
from paddle_serving_app.paddlex.operation import Models
from paddle_serving_app.paddlex.operations.detection import objects
from paddle_serving_client.message import Array

FIELDS: Final[Mapping[str, Check]] = {"image": text, "threshold": number, **COMMON}
NEEDED: Final = "image"


def check(models: Models) -> None:
    """See `Operation.check`."""
    single.refuse_other(models, ("masks",))


def result(models: Models, said: Mapping[str, Any], visualizes: bool) -> dict[str, Any]:
    """See `Operation.result`; each mask covers the box of its thing."""
    picture, seen = single.opened(models, said, ("threshold",))
    instances = objects(seen)
    for instance, mask in zip(instances, seen["masks"], strict=True):
        left, top, right, bottom = (round(side) for side in instance["bbox"])
        inside = mask[top:bottom, left:right] > 0
        instance["mask"] = {"rleResult": run_lengths(inside), "size": list(inside.shape)}
    return single.with_picture({"instances": instances}, models, picture, seen, visualizes)


def run_lengths(inside: Array) -> str:
    """A mask as COCO writes it: lengths of runs, column by column, five bits a letter.

    Each length after the third is told by how far it differs from the one before the last.

    Source: cocodataset/cocoapi, `rleToString` of common/maskApi.c; equal.
    """
    flat = np.asarray(inside, np.uint8).reshape(-1, order="F")
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flat)))).tolist()
    ends = [*edges, len(flat)]
    counts = np.diff([0, *ends]).tolist()
    letters = []
    for k, count in enumerate(counts):
        value = count - counts[k - 2] if k > 2 else count
        while True:
            bits, value = value & 0x1F, value >> 5
            is_last = value == (-1 if bits & 0x10 else 0)
            letters.append(chr((bits if is_last else bits | 0x20) + 48))
            if is_last:
                break
    return "".join(letters)
