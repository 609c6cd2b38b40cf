"""Messages of PipelineService as JSON, in the mapping that grpc-gateway has for protobuf: text <-> values.

In: keys that are not known are skipped, null is absent, integers may be text, floats may be "NaN", "Infinity" and
"-Infinity", bytes are base64. Out: every field, always, in the order of the message, without blanks; `<`, `>` and `&`
are escaped, as callers of Paddle Serving see them.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_body, json_text
from paddle_serving_client.wire.pipeline import PipelineRequest, PipelineResponse
from paddle_serving_client.wire.pipeline_tensors import MAX_LOD, MAX_RANK, MAX_TENSORS, PipelineTensor, refuse_over

_Object: TypeAlias = Mapping[str, Any]
_MAX_TEXTS: Final = 4096
_MAX_VALUES: Final = 20_000_000
_INTEGERS: Final[dict[str, tuple[int, int]]] = {
    "int64_data": (-(1 << 63), (1 << 63) - 1),
    "int_data": (-(1 << 31), (1 << 31) - 1),
    "uint32_data": (0, (1 << 32) - 1),
}
_FLOATS: Final[dict[str, npt.DTypeLike]] = {"float_data": np.float32, "float64_data": np.float64}
_CAMEL: Final = re.compile("_([a-z])")
_WHOLE: Final = re.compile(r"-?[0-9]{1,20}")
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ESCAPES: Final = ((b"<", rb"\u003c"), (b">", rb"\u003e"), (b"&", rb"\u0026"))


def request_from_json(body: bytes | bytearray | memoryview) -> PipelineRequest:
    """Read a JSON `Request`; no text at all is an empty one.

    Raises:
        BadPacket: not JSON, or a field of a wrong kind; the text names it. TooLarge: over a limit.
    """
    text = bytes(body)
    got: Any = {}
    if text.strip():
        got = json_body.loads(text, as_arrays=False)
    if not isinstance(got, dict):
        raise BadPacket(f"the body must be an object, got {_kind(got)}")
    return PipelineRequest(
        key=_texts(got, "key"),
        value=_texts(got, "value"),
        tensors=tuple(map(_tensor, _array(got, "tensors", MAX_TENSORS))),
        name=_text(got.get("name") or "", "name"),
        method=_text(got.get("method") or "", "method"),
        log_id=_integer(got.get("logid") or 0, "logid", *_INTEGERS["int64_data"]),
        client_ip=_text(got.get("clientip") or "", "clientip"),
    )


def request_to_json(request: PipelineRequest) -> bytes:
    """Write a JSON `Request`; what is at its default is left out."""
    whole: dict[str, object] = {
        "key": request.key,
        "value": request.value,
        "tensors": list(map(_tensor_object, request.tensors)),
        "name": request.name,
        "method": request.method,
        "logid": request.log_id,
        "clientip": request.client_ip,
    }
    return json_text.dumps({name: value for name, value in whole.items() if value})


def response_from_json(body: bytes | bytearray | memoryview) -> PipelineResponse:
    """Read a JSON `Response`. Raises as `request_from_json` does."""
    got = json_body.loads(bytes(body), as_arrays=False)
    if not isinstance(got, dict) or "err_no" not in got:
        raise BadPacket(f"the body must be an object with err_no, got {_kind(got)}")
    return PipelineResponse(
        err_no=_integer(got["err_no"], "err_no", *_INTEGERS["int_data"]),
        err_msg=_text(got.get("err_msg") or "", "err_msg"),
        key=_texts(got, "key"),
        value=_texts(got, "value"),
        tensors=tuple(map(_tensor, _array(got, "tensors", MAX_TENSORS))),
    )


def response_to_json(response: PipelineResponse) -> bytes:
    """Write a JSON `Response`."""
    whole = {
        "err_no": response.err_no,
        "err_msg": _writable(response.err_msg),
        "key": list(map(_writable, response.key)),
        "value": list(map(_writable, response.value)),
        "tensors": list(map(_tensor_object, response.tensors)),
    }
    return _escaped(json_text.dumps(whole))


def refusal_to_json(code: int, reason: str) -> bytes:
    """What a request that is no request gets: the body of a grpc-gateway error.

    Args:
        code: of gRPC: 3 for an invalid argument.
        reason: for people.
    """
    reason = _writable(reason)
    return _escaped(json_text.dumps({"error": reason, "code": code, "message": reason, "details": []}))


def _escaped(text: bytes) -> bytes:
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text


def _writable(text: str) -> str:
    """A text without halves of surrogate pairs, which UTF-8 does not have."""
    return text.encode("utf-8", "replace").decode()


def _array(got: _Object, name: str, limit: int = _MAX_VALUES) -> list[Any]:
    value = got.get(name)
    if value is None and "_" in name:
        value = got.get(_CAMEL.sub(lambda found: found[1].upper(), name))
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadPacket(f"{name} must be an array, got {_kind(value)}")
    refuse_over(name, value, limit)
    return value


def _texts(got: _Object, name: str) -> tuple[str, ...]:
    return tuple(_text(value, name) for value in _array(got, name, _MAX_TEXTS))


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BadPacket(f"{name} must be text, got {_kind(value)}")
    return value


def _integer(value: object, name: str, least: int, most: int) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadPacket(f"{name} must be a whole number from {least} to {most}, got {_kind(value)}")
    return value


def _tensor(got: object) -> PipelineTensor:
    if not isinstance(got, dict):
        raise BadPacket(f"tensors must be objects, got {_kind(got)}")
    numbers: dict[str, Array] = {}
    for name, (least, most) in _INTEGERS.items():
        if values := _array(got, name):
            numbers[name] = _integers(values, name, least, most)
    for name, kind in _FLOATS.items():
        if values := _array(got, name):
            numbers[name] = _floats(values, name, kind)
    if flags := _array(got, "bool_data"):
        if set(map(type, flags)) != {bool}:
            raise BadPacket("bool_data must be true or false throughout")
        numbers["bool_data"] = np.array(flags, np.bool_)
    int32 = _INTEGERS["int_data"]
    elem_type = got.get("elem_type", got.get("elemType"))
    return PipelineTensor(
        name=_text(got.get("name") or "", "name"),
        elem_type=_integer(elem_type or 0, "elem_type", *int32),
        shape=tuple(_integer(n, "shape", *int32) for n in _array(got, "shape", MAX_RANK)),
        lod=tuple(_integer(n, "lod", *int32) for n in _array(got, "lod", MAX_LOD)),
        numbers=numbers,
        texts=tuple(_text(text, "str_data") for text in _array(got, "str_data")),
        packed=_bytes(got.get("byte_data") or got.get("byteData") or ""),
    )


def _integers(values: Sequence[Any], name: str, least: int, most: int) -> Array:
    if set(map(type, values)) != {int} or min(values) < least or max(values) > most:
        values = [_integer(value, name, least, most) for value in values]
    return np.array(values, np.int64)


def _floats(values: Sequence[Any], name: str, kind: npt.DTypeLike) -> Array:
    if set(map(type, values)) - {float, int}:
        values = [_float(value, name) for value in values]
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(kind)


def _float(value: object, name: str) -> float:
    if isinstance(value, str):
        try:
            return _NOT_FINITE.get(value) or float(value)
        except ValueError:
            raise BadPacket(f"{name} must be numbers, got {_kind(value)}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadPacket(f"{name} must be numbers, got {_kind(value)}")
    return float(value)


def _bytes(value: object) -> bytes:
    text = _text(value, "byte_data")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadPacket("byte_data is not base64") from exc


def _tensor_object(tensor: PipelineTensor) -> dict[str, object]:
    """A tensor with all its fields; 64-bit integers as text, as the mapping has it."""
    numbers: dict[str, list[Any]] = {name: values.tolist() for name, values in tensor.numbers.items()}
    return {
        "int64_data": [str(n) for n in numbers.get("int64_data", [])],
        "float_data": _written(numbers.get("float_data", [])),
        "int_data": numbers.get("int_data", []),
        "float64_data": _written(numbers.get("float64_data", [])),
        "uint32_data": numbers.get("uint32_data", []),
        "bool_data": numbers.get("bool_data", []),
        "complex64_data": [],
        "complex128_data": [],
        "str_data": list(map(_writable, tensor.texts)),
        "byte_data": base64.b64encode(tensor.packed).decode("ascii"),
        "elem_type": tensor.elem_type,
        "shape": tensor.shape,
        "lod": tensor.lod,
        "name": tensor.name,
    }


def _written(values: Sequence[float]) -> list[float | str]:
    names = {math.inf: "Infinity", -math.inf: "-Infinity"}
    return [names.get(v, "NaN") if not math.isfinite(v) else v for v in values]


def _kind(value: object) -> str:
    """What a value is, for a message; short, whatever the caller sent."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"the number {value!r:.40}"
    if isinstance(value, str):
        return f"the text {value[:32]!r}"
    return "an array" if isinstance(value, list) else "an object"
