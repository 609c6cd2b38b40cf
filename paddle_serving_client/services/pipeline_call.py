"""A call of a pipeline: texts and arrays by name, both ways."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paddle_serving_client import remote_error
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Instance
from paddle_serving_client.services.description import Description
from paddle_serving_client.wire import pipeline_json
from paddle_serving_client.wire.http1 import HttpReply
from paddle_serving_client.wire.pipeline import PipelineRequest
from paddle_serving_client.wire.pipeline_tensors import PipelineTensor, tensor_of


def request(
    service: Description, given: Sequence[Instance], fetch: Sequence[str]
) -> tuple[str, Mapping[str, str], list[bytes | memoryview]]:
    """Path, headers and body of a request: texts as they are, numbers and lists of numbers as arrays.

    Raises:
        BadInput: a value that is neither, several instances, or `fetch`, which pipelines do not have.
    """
    if len(given) != 1 or fetch:
        what = f"names in fetch ({', '.join(fetch)})" if fetch else f"{len(given)} instances"
        raise BadInput(f"pipeline {service.name!r} takes one instance, and its last op decides what comes; got {what}")
    texts = {name: value for name, value in given[0].items() if isinstance(value, str)}
    tensors = tuple(_tensor(name, value) for name, value in given[0].items() if name not in texts)
    asked = PipelineRequest(key=tuple(texts), value=tuple(texts.values()), tensors=tensors)
    headers = {"Content-Type": "application/json"}
    return f"/{service.name}/prediction", headers, [pipeline_json.request_to_json(asked)]


def result(reply: HttpReply, service: Description) -> dict[str, Any]:
    """Texts and arrays by name.

    Raises:
        ServingError: what a step of it raised; its `number` is the one that the step gave it.
        BadPacket: it is no answer of a pipeline.
    """
    response = pipeline_json.response_from_json(reply.body)
    if response.err_no:
        raise remote_error.by_err_no(response.err_no, f"pipeline {service.name!r}: {response.err_msg}")
    if len(response.key) != len(response.value):
        raise BadPacket(f"the answer of pipeline {service.name!r} has {len(response.key)} keys, but other values")
    found: dict[str, Any] = dict(zip(response.key, response.value, strict=True))
    return found | {tensor.name: tensor.value() for tensor in response.tensors}


def _tensor(name: str, value: object) -> PipelineTensor:
    array = value if isinstance(value, np.ndarray) else np.asarray(value) if isinstance(value, list | tuple) else None
    if isinstance(value, bool | int | float | np.generic):
        array = np.asarray(value)
    if array is None or array.dtype.kind not in "biufcSU":
        kind = type(value).__name__
        raise BadInput(f"{name} is a {kind}; a pipeline takes texts, numbers and arrays; bytes as base64 text")
    if not isinstance(value, np.ndarray) and array.dtype.kind not in "b" and _has_truth(value):
        raise BadInput(f"{name} has true or false among numbers")
    return tensor_of(name, array, as_npy=True)


def _has_truth(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_truth, value))
    return isinstance(value, bool | np.bool_) or (isinstance(value, np.ndarray) and value.dtype.kind == "b")
