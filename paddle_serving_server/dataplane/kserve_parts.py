"""Requests of KServe v2 to services that answer in parts: from tensors to instances, from each part to tensors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_client import byte_strings
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array, Instance, Request, Response
from paddle_serving_client.wire import kserve
from paddle_serving_client.wire.kserve import InferOutput, InferRequest
from paddle_serving_server.dataplane import kserve_calls
from paddle_serving_server.services import json_result
from paddle_serving_server.services.service import Service

_UNNAMED: Final = "result"
"""The name of what a part is that is no mapping."""


def asked(service: Service, request: InferRequest, deadline: float, body_bytes: int) -> Request:
    """The request of a caller as a service takes it: a model gets tensors, others instances.

    Raises:
        BadInput: something is wrong with it.
    """
    if service.takes_tensors:
        return kserve_calls.asked(service, request, deadline)
    return Request(
        model=service.name,
        instances=instances(request, service.name),
        fetch=tuple(output.name for output in request.outputs),
        deadline=deadline,
        body_bytes=body_bytes,
    )


def instances(request: InferRequest, model: str) -> list[Instance]:
    """One instance for each row: numbers and lists of them, texts where strings are UTF-8.

    Raises:
        BadInput: an input came twice, without a batch axis, or with another number of rows than the others.
    """
    values: dict[str, list[Any]] = {}
    for given in request.inputs:
        if given.name in values:
            raise BadInput(f"{kserve.prefix(request.id)}input '{given.name}' already exists in request")
        if not given.array.ndim:
            raise BadInput(f"{kserve.prefix(request.id)}input '{given.name}' of model '{model}' needs a batch axis")
        is_text = given.datatype == kserve.BYTES
        values[given.name] = byte_strings.as_json(given.array) if is_text else given.array.tolist()
    rows = {len(found) for found in values.values()}
    if len(rows) > 1:
        raise BadInput(f"{kserve.prefix(request.id)}the inputs of model '{model}' differ in their batch sizes")
    return [{name: found[k] for name, found in values.items()} for k in range(rows.pop() if rows else 1)]


def outputs(part: Response, fetch: Sequence[str]) -> tuple[InferOutput, ...]:
    """A part as tensors: of a mapping each value by its name, of all else one.

    Args:
        part: of a response.
        fetch: the names that were asked for; empty: all.

    Raises:
        BackendFailed: it has something in it that neither a tensor nor JSON can say.
    """
    found: Mapping[str, object] = part.tensors
    if part.result is not None or not found:
        result = part.result
        is_named = isinstance(result, Mapping) and all(isinstance(name, str) for name in result)
        found = result if isinstance(result, Mapping) and is_named else {_UNNAMED: result}
    return tuple(InferOutput(name, _tensor(value), True) for name, value in found.items() if not fetch or name in fetch)


def _tensor(value: object) -> Array:
    """Numbers and texts, and lists of them as they are; what else there is, as JSON in a string."""
    if isinstance(value, str | bytes):
        return byte_strings.of([value], "an output")
    if isinstance(value, bool | int | float | np.generic | list | tuple | np.ndarray) and not _is_empty(value):
        array = _array(value)
        if array is not None and kserve.datatype_of_array(array) != kserve.INVALID:
            return array if array.ndim else array.reshape(1)
    return byte_strings.array_of([json_result.dumps_value(value)], (1,))


def _is_empty(value: object) -> bool:
    return isinstance(value, list | tuple) and not value


def _array(value: Any) -> Array | None:
    """None for lists that are no array, or whose values would be others in one."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "OSU":
            return byte_strings.of(value, "an output")
    except (ValueError, OverflowError, BadInput):
        return None
    if isinstance(value, list | tuple):
        types = {type(item) for item in np.array(value, object).flat}
        if bool in types and len(types) > 1:  # JSON keeps truth values and numbers apart
            return None
    return array
