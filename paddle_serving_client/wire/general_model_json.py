"""Messages of GeneralModelService as JSON, in brpc's mapping of protobuf: text <-> values.

In: keys that are not known are skipped, null is absent, integers may be text, floats may be "NaN", "Infinity" and
"-Infinity", bytes are base64. Out: the original names, what is at its default is left out, 64-bit integers are numbers,
float32 is written with the digits of a double.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_body, json_numbers, json_size, json_text
from paddle_serving_client.wire.tensors import (
    CARRIERS,
    LITTLE,
    MAX_FETCH,
    MAX_LOD,
    MAX_NAME_BYTES,
    MAX_OUTPUTS,
    MAX_PROFILE_TIMES,
    MAX_RANK,
    MAX_TENSORS,
    ModelOutput,
    WireRequest,
    WireResponse,
    WireTensor,
    checked_elements,
    checked_type,
    label_of,
    lod_levels,
    narrowed,
    read_only,
    refuse_miscount,
    refuse_over,
    refuse_twins,
    row_of,
    shape_of,
    string_tensor,
)

MAX_VALUES = 20_000_000
"""Values in an answer."""
MAX_CONTAINERS = 1 << 20
"""Arrays and objects in an answer: each takes twenty times the memory that its brackets take in the text."""

_Object: TypeAlias = Mapping[str, Any]
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def request_from_json(body: bytes | bytearray | memoryview) -> WireRequest:
    """Read a JSON `Request`; no text at all is an empty one.

    Raises:
        BadPacket: not JSON, or a field of a wrong kind; the text names it.
        BadInput: a tensor that cannot be; the text names the tensor and the field.
        BadDType: a tensor of a type that is not known or cannot be served.
        TooLarge: over a limit.
    """
    got = _object(json_body.loads(body) if body else {}, "the JSON body")
    fetch = _array(got, "fetch_var_names", MAX_FETCH)
    return WireRequest(
        tensors=_tensors(got),
        fetch=tuple(_text(name, "fetch_var_names") for name in fetch),
        profile_server=_flag(got, "profile_server"),
        log_id=_number(got, "log_id", 0, (1 << 64) - 1),
    )


def request_to_json(request: WireRequest) -> bytes:
    """Write a JSON `Request` with the keys that the client of 0.9 sends.

    Raises:
        BadDType: an array of a type that has no code.
        BadInput: a string that is not UTF-8.
    """
    tensors = [_tensor_object(tensor) | {"elem_type": row_of(tensor).code} for tensor in request.tensors]
    whole = {"fetch_var_names": request.fetch, "log_id": request.log_id, "tensor": tensors}
    return _dumps(whole | _filled(profile_server=request.profile_server))


def response_from_json(body: bytes | memoryview) -> WireResponse:
    """Read a JSON `Response`. Raises as `request_from_json` does."""
    got = _reply(body)
    times = _array(got, "profile_time", MAX_PROFILE_TIMES)
    return WireResponse(
        outputs=tuple(_output(_object(item, "outputs")) for item in _array(got, "outputs", MAX_OUTPUTS)),
        profile_time=tuple(_integers("response", "profile_time", times).tolist()),
        profile_server=_flag(got, "profile_server"),
        log_id=_number(got, "log_id", 0, (1 << 64) - 1),
        err_no=_number(got, "err_no", -(1 << 31), (1 << 31) - 1),
        err_msg=_text(got.get("err_msg") or "", "err_msg"),
    )


def response_to_json(response: WireResponse) -> bytes:
    """Write a JSON `Response`. Raises as `request_to_json` does."""
    outputs = [
        _filled(tensor=list(map(_tensor_object, output.tensors)), engine_name=output.engine_name)
        for output in response.outputs
    ]
    return _dumps(
        _filled(
            outputs=outputs,
            profile_time=response.profile_time,
            profile_server=response.profile_server,
            log_id=response.log_id,
            err_no=response.err_no,
            err_msg=response.err_msg,
        )
    )


def _reply(body: bytes | memoryview) -> _Object:
    """The object that a server sent, after a look at how much there is in it."""
    if not body:
        return {}
    refuse_over("values in the JSON body", json_size.count(body, b","), MAX_VALUES)
    containers = json_size.count(body, b"[") + json_size.count(body, b"{")
    refuse_over("arrays and objects in the JSON body", containers, MAX_CONTAINERS)
    try:
        got = json_numbers.loads(body)
    except ValueError as exc:
        raise BadPacket(f"the body is not JSON: {exc}") from exc
    return _object(got, "the JSON body")


def _object(got: object, name: str) -> _Object:
    if not isinstance(got, dict):
        raise BadPacket(f"{name} must be an object, got {_kind(got)}")
    return got


def _array(got: _Object, name: str, limit: int = MAX_VALUES) -> list[Any]:
    value = got.get(name)
    if value is None:
        return []
    if isinstance(value, np.ndarray):  # numbers, where few or other things are expected
        value = value.tolist()
    if not isinstance(value, list):
        raise BadPacket(f"{name} must be an array, got {_kind(value)}")
    refuse_over(name, len(value), limit)
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BadPacket(f"{name} must be text, got {_kind(value)}")
    refuse_over(f"characters of {name}", len(value), MAX_NAME_BYTES)
    return value


def _flag(got: _Object, name: str) -> bool:
    value = got.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadPacket(f"{name} must be true or false, got {_kind(value)}")
    return bool(value)


def _number(got: _Object, name: str, least: int, most: int) -> int:
    value = got.get(name)
    if value is None:
        return 0
    number = _whole(value)
    if number is None or not least <= number <= most:
        raise BadPacket(f"{name} must be a whole number from {least} to {most}, got {_kind(value)}")
    return number


def _whole(value: object) -> int | None:
    """A number, or text that is one; a float is none, for orjson makes floats of integers that are too long."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _kind(value: object) -> str:
    """What a value is, for a message; short, whatever the caller sent."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value!r}"
    if isinstance(value, str):
        return f"the text {value[:32]!r}"
    return "an array" if isinstance(value, list) else "an object"


def _output(got: _Object) -> ModelOutput:
    return ModelOutput(tensors=_tensors(got), engine_name=_text(got.get("engine_name") or "", "engine_name"))


def _tensors(got: _Object) -> tuple[WireTensor, ...]:
    tensors = tuple(_tensor(_object(item, "tensor")) for item in _array(got, "tensor", MAX_TENSORS))
    refuse_twins(tensors)
    return tensors


def _tensor(got: _Object) -> WireTensor:
    name, alias = _text(got.get("name") or "", "name"), _text(got.get("alias_name") or "", "alias_name")
    label = label_of(name, alias)
    row = checked_type(
        label, _number(got, "elem_type", -1, (1 << 31) - 1), [key for key in CARRIERS if _is_there(got.get(key))]
    )
    lod = lod_levels(label, _integers(label, "lod", _array(got, "lod", MAX_LOD)).tolist())
    shape = _integers(label, "shape", _array(got, "shape", MAX_RANK)).tolist()
    if row.code == dtype.STRING:
        strings = tuple(_text_bytes(label, text) for text in _array(got, "data"))
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
        raise BadInput(f"{label}: data must be text, got {_kind(text)}")
    return text.encode()


def _values(label: str, row: ElemType, got: _Object) -> Array:
    if row.carrier == "tensor_content":
        return _from_base64(label, row, got.get("tensor_content") or "")
    ready = got.get(row.carrier)
    if isinstance(ready, np.ndarray) and ready.ndim == 1:
        if row.carrier in ("int64_data", "int_data") and ready.dtype == np.int64:
            return narrowed(label, ready, row)
        if row.carrier not in ("int64_data", "int_data", "bool_data"):
            return _from_doubles(label, row.carrier, ready.astype(np.float64, copy=False), row)
    values = _array(got, row.carrier)
    if row.carrier == "bool_data":
        _refuse_others(label, row.carrier, values, bool)
        return np.array(values, np.bool_)
    if row.carrier in ("int64_data", "int_data"):
        return narrowed(label, _integers(label, row.carrier, values), row)
    return _floats(label, row.carrier, values, row)


def _from_base64(label: str, row: ElemType, text: object) -> Array:
    if not isinstance(text, str):
        raise BadInput(f"{label}: tensor_content must be base64 text, got {_kind(text)}")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadInput(f"{label}: tensor_content is not base64") from exc
    size = LITTLE[row.code].itemsize
    if len(content) % size:
        raise BadInput(f"{label}: tensor_content has {len(content)} bytes, not a multiple of {size} for {row.name}")
    return np.frombuffer(content, LITTLE[row.code])


def _integers(label: str, field: str, values: Sequence[Any]) -> npt.NDArray[np.int64]:
    kinds = set(map(type, values))
    numbers: Sequence[Any] = values
    if kinds - {int}:
        numbers = list(map(_whole, values))
        if None in numbers:
            k = numbers.index(None)
            raise BadInput(f"{label}: {field}[{k}] must be a whole number of at most 64 bits, got {_kind(values[k])}")
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
            raise BadInput(f"{label}: {field}[{k}] must be {kinds[0].__name__}, got {_kind(value)}")


def _tensor_object(tensor: WireTensor) -> dict[str, object]:
    row = row_of(tensor)
    return _filled(
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


def _filled(**fields: object) -> dict[str, object]:
    """The fields that are not at their default."""
    return {name: value for name, value in fields.items() if isinstance(value, np.ndarray) or value}


def _dumps(whole: dict[str, object]) -> bytes:
    return json_text.dumps(whole)
