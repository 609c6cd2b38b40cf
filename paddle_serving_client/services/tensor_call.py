"""A call of a service that takes tensors: values -> arrays -> a message, and back. Every value travels as its bytes."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from paddle_serving_client import instances
from paddle_serving_client.errors import BadInput, BadPacket, ServingError
from paddle_serving_client.message import Array, Instance
from paddle_serving_client.services.description import Description, Variable
from paddle_serving_client.wire import brpc, general_model, kserve_binary
from paddle_serving_client.wire.brpc_reply import RpcReply
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from paddle_serving_client.wire.http1 import HttpReply
from paddle_serving_client.wire.kserve_json import HEADER_LENGTH

_METHOD: Final = "inference"
_ids = itertools.count(1)

Message = list[bytes | memoryview]


def tensors_of(service: Description, given: Instance | Sequence[Instance]) -> dict[str, Array]:
    """The inputs of a service by name, with the batch axis.

    Args:
        service: that is called.
        given: one instance, whose values may have the batch axis already; or several, whose values have none.

    Raises:
        BadInput: a name or a value that does not fit; the text says which.
    """
    if not isinstance(given, Mapping):
        instances.check_names(service.inputs, list(given))
        return {spec.alias: instances.stacked(spec, given) for spec in service.inputs}
    instances.check_names(service.inputs, [given])
    tensors = {spec.alias: _batch(spec, given[spec.alias]) for spec in service.inputs}
    rows = {spec.alias: len(tensors[spec.alias]) for spec in service.inputs if spec.shape[:1] == (-1,)}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name!r} has {count}" for name, count in rows.items())
        raise BadInput(f"inputs with different numbers of rows: {told}")
    return tensors


def _batch(spec: Variable, value: object) -> Array:
    """A value that is a batch, or one row of it: as many axes as the input has, or fewer."""
    array = instances.numbers(spec, value)
    pairs = zip(spec.shape, array.shape, strict=False)
    if array.ndim == len(spec.shape) and all(axis in (-1, length) for axis, length in pairs):
        return instances.cast(spec, array)
    try:
        return instances.row_of(spec, array)[np.newaxis]
    except BadInput as exc:
        raise BadInput(f"{exc}; a batch has one more axis before those") from exc


def wanted(service: Description, fetch: Sequence[str]) -> tuple[str, ...]:
    """The outputs that a caller asks for.

    Raises:
        BadInput: the model has no such output.
    """
    known = [output.alias for output in service.outputs]
    for name in fetch:
        if name not in known:
            raise BadInput(f"service {service.name!r} has no output {name!r}; it has {', '.join(map(repr, known))}")
    return tuple(dict.fromkeys(fetch))


# -- over RPC


def rpc_request(
    service: Description, tensors: Mapping[str, Array], fetch: tuple[str, ...], max_reply_bytes: int
) -> tuple[Message, RpcReply]:
    """A request over baidu_std, which names the service, and what reads its answer.

    Raises:
        BadDType: an array of a type that has no code.
    """
    wire = WireRequest(
        tensors=tuple(WireTensor(name="", alias=name, array=array) for name, array in tensors.items()), fetch=fetch
    )
    payload = general_model.encode_request(wire)
    correlation_id = next(_ids)
    head = brpc.request_head(f"{brpc.SERVICE}/{service.name}", _METHOD, correlation_id, len(payload))
    return [head, payload], RpcReply(correlation_id, max_reply_bytes)


def rpc_outputs(payload: bytes | memoryview, service: Description, fetch: tuple[str, ...]) -> dict[str, Array]:
    """The outputs of an answer by name.

    Raises:
        BadPacket: it is no such answer, or lacks an output.
    """
    try:
        response = general_model.decode_response(payload)
    except ServingError as exc:
        raise BadPacket(f"the answer of service {service.name!r} cannot be read: {exc}") from exc
    tensors = [tensor for output in response.outputs for tensor in output.tensors]
    found = {tensor.alias or tensor.name: tensor.array for tensor in tensors}
    lods = {f"{t.alias or t.name}.lod": np.concatenate(t.lod).astype(np.int32) for t in tensors if t.lod}
    if len(found) != len(tensors):
        raise BadPacket(f"the answer of service {service.name!r} has two outputs of one name")
    return _own(found, service, fetch) | lods


# -- over HTTP


def http_request(
    service: Description, tensors: Mapping[str, Array], fetch: tuple[str, ...]
) -> tuple[str, Mapping[str, str], Message]:
    """Path, headers and body of a request.

    Raises:
        BadInput: an array of a type that HTTP does not carry.
    """
    body, length = kserve_binary.encode_request(tensors, fetch)
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(length)}
    return f"/v2/models/{service.name}/infer", headers, body


def http_outputs(reply: HttpReply, service: Description, fetch: tuple[str, ...]) -> dict[str, Array]:
    """The outputs of an answer by name.

    Raises:
        BadPacket: it is no such answer, or lacks an output.
    """
    return _own(kserve_binary.decode_response(reply.body, reply.headers), service, fetch)


def _own(found: Mapping[str, Array], service: Description, fetch: tuple[str, ...]) -> dict[str, Array]:
    """The outputs that were asked for, in native byte order and free to be changed."""
    missing = [name for name in fetch if name not in found]
    if missing or not found:
        raise BadPacket(f"the answer of service {service.name!r} has no output {', '.join(map(repr, missing))}")
    return {name: found[name].astype(found[name].dtype.newbyteorder("=")) for name in fetch or found}
