"""Inference calls of KServe v2 over HTTP: JSON, with tensors inside it or as bytes behind it, <-> values.

    {"inputs": [{"name", "shape", "datatype", "data"}], "outputs": [{"name"}]}           all in JSON
    {"inputs": [{..., "parameters": {"binary_data_size": 64}}]} | 64 bytes | ...         bytes behind it

How long the JSON is, a header says. What Triton writes beyond JSON is read and written here too: NaN, Infinity.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.wire import json_body, json_size, json_text, kserve, kserve_json_tensors
from paddle_serving_client.wire.json_size import MAX_OBJECTS
from paddle_serving_client.wire.kserve import (
    MAX_INPUTS,
    MAX_OUTPUTS,
    InferInput,
    InferRequest,
    InferResponse,
    Parameter,
    Parameters,
    RequestedOutput,
)
from paddle_serving_client.wire.tensors import MAX_RANK, refuse_over

HEADER_LENGTH: Final = "inference-header-content-length"
"""The HTTP header that says how long the JSON is before the bytes, in lower case."""
_RESERVED: Final = "triton_"
_MAX_PARAMETERS: Final = 256
_WAYS: Final = ("data", "binary_data_size", "shared_memory_region")
_BOM: Final = b"\xef\xbb\xbf"
_Object: TypeAlias = Mapping[str, Any]


class Encoded(NamedTuple):
    """A response as it travels."""

    body: bytes
    header_length: int | None
    """Of the JSON, where bytes follow it."""


def header_length(text: str | None, body_bytes: int) -> int | None:
    """What the header says; None: there is none, and all is JSON; 0: there is no JSON, but the one input itself.

    Raises:
        BadInput: it is outside of the body.
    """
    if text is None:
        return None
    digits = text.strip()
    length = int(digits) if digits.lstrip("-").isdecimal() and len(digits) < 20 else 0
    if not 0 <= length <= body_bytes:
        raise BadInput(f"inference header size should be in range (0, {body_bytes}), got: {length}")
    return length


def decode_request(body: bytes | memoryview, length: int | None, model: str) -> InferRequest:
    """Read a request.

    Args:
        body: without Content-Encoding.
        length: of the JSON, from `header_length`; None: the whole.
        model: for the messages.

    Raises:
        BadPacket: not JSON, or a field of a wrong kind; the text names it.
        BadInput: a tensor that cannot be. TooLarge: over a limit.
    """
    view = memoryview(body)
    end = len(view) if length is None else length
    got = _loads(view[:end])
    request_id = _text(got["id"], "id") if isinstance(got, dict) and "id" in got else ""
    said = _list(_member(got, "inputs"), "inputs")
    refuse_over("inputs", len(said), MAX_INPUTS)
    inputs, behind = [], view[end:]
    for item in said:
        tensor, behind = _input(item, behind, model, request_id)
        inputs.append(tensor)
    if behind:
        raise BadInput(f"unexpected additional input data for model '{model}'")
    parameters = _parameters(got, is_request=True)
    requested = _list(got.get("outputs") or [], "outputs")
    refuse_over("outputs", len(requested), MAX_OUTPUTS)
    return InferRequest(
        id=request_id,
        parameters=parameters,
        inputs=tuple(inputs),
        outputs=tuple(map(_requested, requested)),
        is_binary=bool(_of_kind(parameters, "binary_data_output", bool)),
    )


def encode_response(response: InferResponse) -> Encoded:
    """Write a response; bytes behind the JSON where outputs are to come as bytes.

    Raises:
        BadInput: an output cannot be said in JSON; the text says to ask for bytes.
    """
    outputs, behind, is_plain = [], [], True
    for output in response.outputs:
        told: dict[str, object] = {
            "name": output.name,
            "datatype": kserve.datatype_of_array(output.array),
            "shape": output.array.shape,
        }
        if output.is_binary:
            behind.append(kserve.pack(output.array))
            told["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            told["data"] = values = kserve_json_tensors.encode(output.name, output.array)
            is_plain = is_plain and kserve_json_tensors.is_finite(values)
        outputs.append(told)
    whole: dict[str, object] = {"id": response.id} if response.id else {}
    whole |= {"model_name": response.model, "model_version": response.version, "outputs": outputs}
    text = json_text.dumps(whole) if is_plain else _with_bare_words(whole)
    return Encoded(b"".join([text, *behind]), len(text) if behind else None)


def loads(text: bytes | memoryview) -> Any:
    """Read the JSON of any other call; no text at all is an empty object.

    Raises:
        BadPacket: not JSON. TooLarge: over a limit.
    """
    return _loads(memoryview(text)) if text else {}


def flag(got: object, key: str) -> bool:
    """A member that is true or false; false where it is not there.

    Raises:
        BadPacket: it is something else.
    """
    value = got.get(key, False) if isinstance(got, dict) else False
    if not isinstance(value, bool):
        raise BadPacket("attempt to access JSON non-boolean as boolean")
    return value


def parameters(text: bytes | memoryview) -> Mapping[str, Any]:
    """The member `parameters` of a body, which may be missing, as the body may.

    Raises:
        BadPacket: not JSON, or of another form. TooLarge: over a limit.
    """
    got = loads(text)
    found = got.get("parameters", {}) if isinstance(got, dict) else None
    if not isinstance(found, dict):
        raise BadPacket("attempt to access JSON non-object as object")
    return found


def _loads(text: memoryview) -> Any:
    if bytes(text[:3]) == _BOM:
        text = text[3:]
    try:
        return json_body.loads(text)
    except BadPacket as exc:
        raw = bytes(text)
        if b"NaN" in raw or b"Infinity" in raw:
            json_size.refuse_large(raw, MAX_OBJECTS)
            try:
                return json.loads(raw)
            except (ValueError, RecursionError):
                pass
        raise BadPacket(f"failed to parse the request JSON buffer: {exc}") from exc


# -- fields


def _member(got: object, key: str) -> Any:
    if not isinstance(got, dict) or key not in got:
        raise BadPacket(f"Unable to parse '{key}': attempt to access non-existing object member '{key}'")
    return got[key]


def _list(value: object, key: str) -> list[Any]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list):
        raise BadPacket(f"Unable to parse '{key}': attempt to access JSON non-array as array")
    return value


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise BadPacket(f"Unable to parse '{key}': attempt to access JSON non-string as string")
    return value


def _parameters(got: _Object, is_request: bool = False) -> Parameters:
    said = got.get("parameters") or {}
    if not isinstance(said, dict):
        raise BadPacket("Unable to parse 'parameters': attempt to access JSON non-object as object")
    refuse_over("parameters", len(said), _MAX_PARAMETERS)
    for key, value in said.items():
        if is_request and key.startswith(_RESERVED):
            raise BadInput(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
            )
        if not isinstance(value, str | int | float | bool):
            raise BadInput(f"parameter '{key[:64]}' has invalid type. It should be either 'int', 'bool', or 'string'.")
    if is_request:
        _of_kind(said, "timeout", int)
        _of_kind(said, "priority", int)
    return said


def _of_kind(parameters: Parameters, key: str, kind: type) -> Parameter | None:
    """A parameter that Triton knows; None where it is not there."""
    value = parameters.get(key)
    if value is None or (type(value) is kind and (kind is bool or not isinstance(value, int) or value >= 0)):
        return value
    name = "boolean" if kind is bool else "unsigned-integer"
    raise BadPacket(f"Unable to parse '{key}': attempt to access JSON non-{name} as {name}")


def _shape(got: _Object) -> list[int]:
    shape = _list(_member(got, "shape"), "shape")
    refuse_over("dimensions", len(shape), MAX_RANK)
    if not all(type(length) is int and length >= 0 for length in shape):
        raise BadPacket("Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer")
    return shape


def _requested(got: object) -> RequestedOutput:
    name = _text(_member(got, "name"), "name")
    assert isinstance(got, dict)
    parameters = _parameters(got)
    if "shared_memory_region" in parameters:
        raise BadInput(_NO_SHARED_MEMORY.format(what="output", name=name))
    is_binary = _of_kind(parameters, "binary_data", bool)
    return RequestedOutput(
        name=name,
        classes=int(_of_kind(parameters, "classification", int) or 0),
        is_binary=None if is_binary is None else bool(is_binary),
    )


_NO_SHARED_MEMORY: Final = "{what} '{name}' is in shared memory, which this server does not share with its callers"


def _input(got: object, behind: memoryview, model: str, request_id: str) -> tuple[InferInput, memoryview]:
    """One input, and the bytes that are left for those after it."""
    name = _text(_member(got, "name"), "name")
    assert isinstance(got, dict)
    datatype = _text(_member(got, "datatype"), "datatype")
    if dtype.code_of_kserve(datatype) == dtype.UNKNOWN:
        raise BadInput(f"invalid datatype for input {name}")
    shape, parameters = _shape(got), _parameters(got)
    ways = [way for way in _WAYS if way in (got if way == "data" else parameters)]
    if len(ways) != 1:
        found = "set " + " ".join(f"'{way}'" for way in ways) if ways else "no field is set"
        raise BadInput(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            f"'shared_memory_region' in 'parameters'. But {found}"
        )
    if ways == ["shared_memory_region"]:
        raise BadInput(_NO_SHARED_MEMORY.format(what="input", name=name))
    if ways == ["data"]:
        return InferInput(name, datatype, kserve_json_tensors.decode(name, datatype, shape, got["data"])), behind
    size = int(_of_kind(parameters, "binary_data_size", int) or 0)
    if size > len(behind):
        missing = size - len(behind)
        raise BadInput(f"unexpected size for input '{name}', expecting {missing} additional bytes for model '{model}'")
    array = kserve.unpack(name, datatype, shape, behind[:size], model, request_id)
    return InferInput(name, datatype, array), behind[size:]


def _with_bare_words(whole: object) -> bytes:
    """As Triton writes what is not finite, and Python's reader takes it: NaN, Infinity, -Infinity."""
    return json.dumps(whole, default=np.ndarray.tolist, ensure_ascii=False, separators=(",", ":")).encode()
