"""Tensors of PipelineService: what travels <-> arrays, texts and offsets. The same for protobuf and JSON."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import npy

STRING: Final = 12
"""elem_type of texts in str_data; several are one text, joined."""
BYTES: Final = 13
"""elem_type of an array in the format of numpy.save, in byte_data."""
MAX_TENSORS: Final = 64
MAX_RANK: Final = npy.MAX_RANK
MAX_LOD: Final = 1 << 20
_NPY_KINDS: Final = "biufcSU"
"""Elements of arrays in byte_data: numbers, and text as numpy has it."""

_CARRIERS: Final[dict[int, tuple[str, npt.DTypeLike]]] = {
    0: ("int64_data", np.int64),
    1: ("float_data", np.float32),
    2: ("int_data", np.int32),
    3: ("float64_data", np.float64),
    4: ("int_data", np.int16),
    5: ("float_data", np.float16),
    6: ("uint32_data", np.uint16),  # bfloat16, as its bits
    7: ("uint32_data", np.uint8),
    8: ("int_data", np.int8),
    9: ("bool_data", np.bool_),
}
"""By elem_type: the field with the values, and the type they become."""
_REFUSED: Final = {10: "complex64", 11: "complex128"}

Value: TypeAlias = str | Array
"""What an op finds under a name: a text or an array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineTensor:
    """One tensor as it travels; what it means is not looked at before `value`."""

    name: str
    elem_type: int = 0
    shape: tuple[int, ...] = ()
    lod: tuple[int, ...] = ()
    numbers: Mapping[str, Array] = field(default_factory=dict)
    """Values by the field they came in, one-dimensional, in the type of that field."""
    texts: tuple[str, ...] = ()
    """str_data."""
    packed: bytes = b""
    """byte_data."""

    def value(self) -> Value:
        """The array, or the text.

        Raises:
            BadPacket: a type that is not known or not taken, or a shape that does not fit the values.
        """
        if self.elem_type == STRING:
            return "".join(self.texts)
        if self.elem_type == BYTES:
            return npy.view(self.packed, f"tensor {self.name!r}: byte_data", _NPY_KINDS)
        if self.elem_type in _REFUSED:
            kind = _REFUSED[self.elem_type]
            raise BadPacket(f"Sorry, the type {self.elem_type} of tensor {self.name} is not supported. It is {kind}")
        if self.elem_type not in _CARRIERS:
            raise BadPacket(f"elem_type:{self.elem_type} error: tensor {self.name!r} is of no type that there is")
        carrier, wanted = _CARRIERS[self.elem_type]
        values = self.numbers.get(carrier)
        count = 0 if values is None else len(values)
        if min(self.shape, default=0) < 0 or math.prod(self.shape) != count:
            reason = f"cannot reshape array of size {count} into shape {self.shape}"
            raise BadPacket(f"{reason}: tensor {self.name!r}, values in {carrier}")
        if values is None:
            try:
                return np.empty(self.shape, wanted)
            except ValueError as exc:  # one axis is 0, and the others are more than numpy can count
                raise BadPacket(f"tensor {self.name!r}: there can be no shape {self.shape}") from exc
        return _narrowed(self.name, carrier, values, np.dtype(wanted)).reshape(self.shape)


def tensor_of(name: str, value: Value, as_npy: bool = False) -> PipelineTensor:
    """A tensor that carries a text or an array.

    Args:
        name: under which the other side finds it.
        value: a text, or an array of a type that a model can take.
        as_npy: send the array in the format of numpy.save.

    Raises:
        BadPacket: an array of another type.
    """
    if isinstance(value, str):
        return PipelineTensor(name=name, elem_type=STRING, shape=(1,), texts=(value,))
    if as_npy:
        stream = io.BytesIO()
        np.save(stream, value, allow_pickle=False)
        return PipelineTensor(name=name, elem_type=BYTES, shape=value.shape, packed=stream.getvalue())
    codes = [code for code, (_, kind) in _CARRIERS.items() if code != 6 and value.dtype == np.dtype(kind)]
    if not codes:
        raise BadPacket(f"tensor {name!r}: {value.dtype.name} cannot be sent")
    carrier, _ = _CARRIERS[codes[0]]
    return PipelineTensor(name=name, elem_type=codes[0], shape=value.shape, numbers={carrier: value.reshape(-1)})


def _narrowed(name: str, carrier: str, values: Array, wanted: np.dtype[Any]) -> Array:
    if values.dtype == wanted:
        return values
    if wanted.kind in "iu" and values.size:
        limits = np.iinfo(wanted.name)
        for value in (int(values.min()), int(values.max())):
            if not limits.min <= value <= limits.max:
                raise BadPacket(f"tensor {name!r}: {value} in {carrier} does not fit in {wanted.name}")
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(wanted)


def refuse_over(what: str, values: Sequence[object] | int, limit: int) -> None:
    """Raise BadPacket when there are more than the limit allows."""
    count = values if isinstance(values, int) else len(values)
    if count > limit:
        raise BadPacket(f"{what}: {count}, at most {limit} are taken")
