"""The tensors of GeneralModelService in JSON: objects <-> arrays; see `general_model_json`."""

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_fields
from paddle_serving_client.wire.json_fields import Object
from paddle_serving_client.wire.tensors import (
    CARRIERS,
    LITTLE,
    MAX_LOD,
    MAX_RANK,
    MAX_TENSORS,
    WireTensor,
    checked_elements,
    checked_type,
    label_of,
    lod_levels,
    narrowed,
    read_only,
    refuse_miscount,
    refuse_twins,
    row_of,
    shape_of,
    string_tensor,
)

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def decode_tensors(got: Object) -> tuple[WireTensor, ...]:
    """The tensors of a request or an output. Raises as `general_model_json.request_from_json` does."""
    tensors = tuple(
        _tensor(json_fields.as_object(item, "tensor")) for item in json_fields.array(got, "tensor", MAX_TENSORS)
    )
    refuse_twins(tensors)
    return tensors


def _tensor(got: Object) -> WireTensor:
    name, alias = (
        json_fields.text(got.get("name") or "", "name"),
        json_fields.text(got.get("alias_name") or "", "alias_name"),
    )
    label = label_of(name, alias)
    row = checked_type(
        label,
        json_fields.number(got, "elem_type", -1, (1 << 31) - 1),
        [key for key in CARRIERS if _is_there(got.get(key))],
    )
    lod = lod_levels(label, integers(label, "lod", json_fields.array(got, "lod", MAX_LOD)).tolist())
    shape = integers(label, "shape", json_fields.array(got, "shape", MAX_RANK)).tolist()
    if row.code == dtype.STRING:
        strings = tuple(_text_bytes(label, text) for text in json_fields.array(got, "data"))
        return string_tensor(name, strings, alias, lod, shape)
    elements = checked_elements(label, shape)
    array = _values(label, row, got)
    refuse_miscount(label, shape, elements, row.carrier, array.size)
    return WireTensor(name=name, alias=alias, array=read_only(array.reshape(shape)), lod=lod)


def _is_there(value: Any) -> bool:
    return value.size > 0 if isinstance(value, np.ndarray) else bool(value)


def _text_bytes(label: str, text: object) -> bytes:
    if isinstance(text, dict):
        return byte_strings.from_b64(text, f"{label}: data")
    if not isinstance(text, str):
        raise BadInput(f"{label}: data must be text, got {json_fields.kind_of(text)}")
    return text.encode()


def _values(label: str, row: ElemType, got: Object) -> Array:
    if row.carrier == "tensor_content":
        return _from_base64(label, row, got.get("tensor_content") or "")
    ready = got.get(row.carrier)
    if isinstance(ready, np.ndarray) and ready.ndim == 1:
        if row.carrier in ("int64_data", "int_data") and ready.dtype == np.int64:
            return narrowed(label, ready, row)
        if row.carrier not in ("int64_data", "int_data", "bool_data"):
            return _from_doubles(label, row.carrier, ready.astype(np.float64, copy=False), row)
    values = json_fields.array(got, row.carrier)
    if row.carrier == "bool_data":
        _refuse_others(label, row.carrier, values, bool)
        return np.array(values, np.bool_)
    if row.carrier in ("int64_data", "int_data"):
        return narrowed(label, integers(label, row.carrier, values), row)
    return _floats(label, row.carrier, values, row)


def _from_base64(label: str, row: ElemType, text: object) -> Array:
    if not isinstance(text, str):
        raise BadInput(f"{label}: tensor_content must be base64 text, got {json_fields.kind_of(text)}")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadInput(f"{label}: tensor_content is not base64") from exc
    size = LITTLE[row.code].itemsize
    if len(content) % size:
        raise BadInput(f"{label}: tensor_content has {len(content)} bytes, not a multiple of {size} for {row.name}")
    return np.frombuffer(content, LITTLE[row.code])


def integers(label: str, field: str, values: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Whole numbers, or texts that are; `label` and `field` are for the message. Raises BadInput."""
    kinds = set(map(type, values))
    numbers: Sequence[Any] = values
    if kinds - {int}:
        numbers = list(map(json_fields.whole, values))
        if None in numbers:
            k = numbers.index(None)
            raise BadInput(
                f"{label}: {field}[{k}] must be a whole number of at most 64 bits, got {json_fields.kind_of(values[k])}"
            )
    try:
        return np.fromiter(numbers, np.int64, len(numbers))
    except OverflowError as exc:
        raise BadInput(f"{label}: {field} has a number that does not fit in int64") from exc


def _floats(label: str, field: str, values: Sequence[Any], row: ElemType) -> Array:
    if set(map(type, values)) - {float, int}:
        values = [_NOT_FINITE.get(value, value) if isinstance(value, str) else value for value in values]
        _refuse_others(label, field, values, float, int)
    return _from_doubles(label, field, np.fromiter(values, np.float64, len(values)), row)


def _from_doubles(label: str, field: str, doubles: npt.NDArray[np.float64], row: ElemType) -> Array:
    wanted = LITTLE[row.code]
    parts = 2 if wanted.kind == "c" else 1
    if len(doubles) % parts:
        raise BadInput(f"{label}: {field} has {len(doubles)} numbers, not pairs of a real and an imaginary part")
    if wanted.itemsize // parts == doubles.itemsize:
        return doubles.view(wanted)
    with np.errstate(over="ignore", invalid="ignore"):
        singles = doubles.astype(np.float32)
    lost = np.flatnonzero(np.isinf(singles) & ~np.isinf(doubles))
    if lost.size:
        raise BadInput(f"{label}: {field}[{lost[0]}] = {doubles[lost[0]]:g} does not fit in float32")
    return singles.view(wanted)


def _refuse_others(label: str, field: str, values: Sequence[Any], *kinds: type) -> None:
    for k, value in enumerate(values):
        if type(value) not in kinds:
            raise BadInput(f"{label}: {field}[{k}] must be {kinds[0].__name__}, got {json_fields.kind_of(value)}")


def tensor_object(tensor: WireTensor) -> dict[str, object]:
    """A tensor as an object. Raises as `general_model_json.request_to_json` does."""
    row = row_of(tensor)
    return json_fields.filled(
        **{row.carrier: _values_object(tensor, row)},
        elem_type=row.code,
        shape=shape_of(tensor),
        lod=[offset for level in tensor.lod for offset in level],
        name=tensor.name,
        alias_name=tensor.alias,
    )


def _values_object(tensor: WireTensor, row: ElemType) -> object:
    """The values as orjson writes them; None when there are none."""
    if row.code == dtype.STRING:
        return [_from_utf8(tensor, text) for text in tensor.strings]
    flat = np.ascontiguousarray(tensor.array, LITTLE[row.code]).reshape(-1)
    if not flat.size:
        return None
    if row.carrier == "tensor_content":
        return base64.b64encode(flat.view(np.uint8).data).decode("ascii")
    if flat.dtype.kind in "ib":
        return flat
    parts = flat.view(f"<f{flat.itemsize // (2 if flat.dtype.kind == 'c' else 1)}")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        doubles = parts.astype(np.float64)
    return doubles if np.isfinite(doubles).all() else [_not_finite_as_text(value) for value in doubles.tolist()]


def _from_utf8(tensor: WireTensor, text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as exc:
        raise BadInput(
            f"{label_of(tensor.name, tensor.alias)}: JSON has no place for bytes that are not UTF-8"
        ) from exc


def _not_finite_as_text(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
