"""Triton's `generate`: a JSON object whose members are inputs, parameters and the id <-> a request of KServe v2.

    {"text_input": "hi", "id": "7", "parameters": {"top_k": 3}}  <->  {"text_output": "...", "model_name": ...}

A member that is the name of an input is that, whether it stands in the object or in its `parameters`; every other one
is a parameter. A value is one row: a single one, or a list that fills the input's axes.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_text, kserve, kserve_json, kserve_json_tensors
from paddle_serving_client.wire.kserve import MAX_INPUTS, InferInput, InferRequest, InferResponse, Parameter
from paddle_serving_client.wire.kserve_about import TensorAbout
from paddle_serving_client.wire.tensors import refuse_over

_ID: Final = "id"
_PARAMETERS: Final = "parameters"


def loads(body: bytes | memoryview) -> Mapping[str, Any]:
    """The object of a request.

    Raises:
        BadPacket: not JSON, or no object. TooLarge: over a limit.
    """
    got = kserve_json.loads(body)
    if not isinstance(got, dict):
        raise BadPacket("attempt to access JSON non-object as object")
    return got


def members(got: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object and of its `parameters`, without the id.

    Raises:
        BadInput: one is in both. TooLarge: there are too many.
        BadPacket: `parameters` is no object.
    """
    inner = got.get(_PARAMETERS, {})
    if not isinstance(inner, dict):
        raise BadPacket("Unable to parse 'parameters': attempt to access JSON non-object as object")
    outer = {key: value for key, value in got.items() if key not in (_ID, _PARAMETERS)}
    if twice := outer.keys() & inner.keys():
        raise BadInput(f"'{min(twice)[:128]}' is in the request and in its 'parameters': which one is meant?")
    refuse_over("members of a request", len(outer) + len(inner), MAX_INPUTS)
    return {**outer, **inner}


def id_of(got: Mapping[str, Any]) -> str:
    """The id of a request; empty where it has none.

    Raises:
        BadPacket: it is no text.
    """
    found = got.get(_ID, "")
    if not isinstance(found, str):
        raise BadPacket("Unable to parse 'id': attempt to access JSON non-string as string")
    return found


def request_of(got: Mapping[str, Any], inputs: Iterable[TensorAbout], has_rows: bool) -> InferRequest:
    """A request for a model.

    Args:
        got: from `loads`.
        inputs: of the model.
        has_rows: whether axis 0 of these is the batch.

    Raises:
        BadInput: a value does not fill its input, or a parameter is no text, number or truth value.
        BadPacket: a value of another kind than the input has. TooLarge: over a limit.
    """
    known = {tensor.name: tensor for tensor in inputs}
    found: list[InferInput] = []
    parameters: dict[str, Parameter] = {}
    for name, value in members(got).items():
        if (tensor := known.get(name)) is not None:
            found.append(_input(tensor, value, has_rows))
        elif isinstance(value, str | int | float | bool):
            parameters[name] = value
        else:
            raise BadInput(
                f"'{name[:128]}' is no input of the model ({', '.join(known) or 'it has none'}), and as a parameter it "
                "has an invalid type. It should be either 'int', 'bool', 'double', or 'string'."
            )
    return InferRequest(id=id_of(got), parameters=parameters, inputs=tuple(found))


def _input(tensor: TensorAbout, value: Any, has_rows: bool) -> InferInput:
    if isinstance(value, np.ndarray):
        flat: Any = value.reshape(-1)
    else:
        flat = list(kserve_json_tensors.values_in(value)) if isinstance(value, list) else [value]
    shape = _shape(tensor, len(flat), has_rows)
    return InferInput(
        tensor.name, tensor.datatype, kserve_json_tensors.decode(tensor.name, tensor.datatype, shape, flat)
    )


def _shape(tensor: TensorAbout, count: int, has_rows: bool) -> list[int]:
    """That of an input which so many values fill: one row, and what may vary as long as is needed."""
    shape = [1, *tensor.shape[1:]] if has_rows else list(tensor.shape)
    fixed = math.prod(length for length in shape if length != -1)
    open_axes = [axis for axis, length in enumerate(shape) if length == -1]
    if count == 1 and fixed == 1:
        return [1] * len(shape)
    if len(open_axes) == 1 and fixed and count % fixed == 0:
        shape[open_axes[0]] = count // fixed
    if -1 in shape or math.prod(shape) != count:
        raise BadInput(
            f"the {count} value(s) of '{tensor.name}' do not fill one row of shape "
            f"{kserve.said(tensor.shape[1:] if has_rows else tensor.shape)}"
            + (": more than one axis may vary" if len(open_axes) > 1 else "")
        )
    return shape


def encode(response: InferResponse) -> bytes:
    """Write an answer: each output by its name, a single value as it is and several as a list.

    Raises:
        BadInput: an output cannot be said in JSON.
    """
    said: dict[str, object] = {output.name: _value(output.name, output.array) for output in response.outputs}
    said |= {"model_name": response.model, "model_version": response.version}
    if response.id:
        said[_ID] = response.id
    if all(map(_is_finite, said.values())):
        return json_text.dumps(said)
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()  # NaN is bare, as Triton writes it


def _value(name: str, array: Array) -> object:
    values = kserve_json_tensors.encode(name, array)
    listed: Sequence[Any] = values.tolist() if isinstance(values, np.ndarray) else values  # type: ignore[assignment]
    return listed[0] if len(listed) == 1 else listed


def _is_finite(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(not isinstance(one, float) or math.isfinite(one) for one in values)
