"""Feeds that are easy to read and to write down: each tensor is one value, by shape and type of its input."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from paddle_serving_app.signature import Arranged, Input, Sample
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.message import Array, Lod

WHOLE: Final = (1, 0)
"""Whole numbers, the likelier first: 0 is what masks hide, and 1 may be beyond a table."""
SEQUENCE: Final = 3
"""Rows of a sequence (LoD)."""


def value_of(elem_type: int, whole: int = WHOLE[0]) -> bool | int | float | str:
    """What models take that take anything; no 0, whose logarithm is infinite."""
    kind = dtype.numpy_of(elem_type)
    if kind is None or kind.hasobject:
        return "text"
    return True if kind.kind == "b" else whole if kind.kind in "iu" else 0.5


def sample_of(spec: Input) -> Sample:
    """What the model answered, or where nothing was tried, 1 for each dimension that is open."""
    if spec.sample is not None:
        return spec.sample
    first = [SEQUENCE if spec.is_lod else 1] if spec.shape[:1] == (-1,) else spec.shape[:1]
    return Sample((*first, *(max(1, length) for length in spec.shape[1:])), value_of(spec.elem_type))


def arranged(inputs: Sequence[Input], samples: Sequence[Sample]) -> Arranged:
    """A feed; what has LoD is one sequence."""
    pairs = list(zip(inputs, samples, strict=True))
    lods: dict[int, Lod] = {k: ((0, sample.shape[0]),) for k, (i, sample) in enumerate(pairs) if i.is_lod}
    return Arranged(tuple(filled(i.elem_type, sample) for i, sample in pairs), lods)


def filled(elem_type: int, sample: Sample) -> Array:
    """The tensor itself."""
    if isinstance(sample.value, str):
        return byte_strings.array_of([sample.value.encode()] * math.prod(sample.shape), sample.shape)
    return np.full(sample.shape, sample.value, dtype.numpy_of(elem_type))
