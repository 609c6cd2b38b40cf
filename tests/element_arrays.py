"""Arrays of every element type, as hypothesis makes them up."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.message import Array

CODES = tuple(dtype.ELEM_TYPES)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def arrays(draw: st.DrawFn, code: int, shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES) -> Array:
    """Of one type, with any values and of any shape: also without axes, and without elements."""
    shape = draw(shapes)
    if code == dtype.STRING:
        count = int(np.prod(shape))
        return byte_strings.array_of(draw(st.lists(st.binary(max_size=9), min_size=count, max_size=count)), shape)
    kind = dtype.numpy_of(code)
    assert kind is not None
    if kind == dtype.BFLOAT16:
        return draw(hnp.arrays(np.uint16, shape)).view(kind)
    return draw(hnp.arrays(kind, shape))


def any_arrays(
    codes: tuple[int, ...] = CODES, shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES
) -> st.SearchStrategy[Array]:
    """Of one of these types."""
    return st.sampled_from(codes).flatmap(lambda code: arrays(code, shapes))


def are_same(one: Array, other: Array) -> bool:
    """Whether type, shape and every bit are equal."""
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    if one.dtype.hasobject:
        return list(one.flat) == list(other.flat) and all(type(item) is bytes for item in one.flat)
    return one.tobytes() == other.tobytes()
