"""Calls of KServe v2, whatever carried them: which model is meant, whether its inputs fit, what it answers."""

import math
from collections.abc import Mapping
from typing import Final

from paddle_serving_app.signature import Input
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadInput, NoMethod
from paddle_serving_client.message import Array, Request, Response
from paddle_serving_client.wire import kserve
from paddle_serving_client.wire.kserve import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput
from paddle_serving_client.wire.kserve_about import ModelAbout
from paddle_serving_server.dataplane import kserve_models
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.services.service import Service

_FULL: Final = RequestedOutput("")
_END_POINTS: Final = {"http": "HTTP end point", "grpc": "ModelInfer RPC"}


async def infer(
    plane: DataPlane, call: Call, service: Service, request: InferRequest, variant: tuple[str, str] = ("", "")
) -> InferResponse:
    """Have a model answer; outputs in the model's order, under the names that were asked for.

    Args:
        plane: of this front.
        call: is counted as one of the service.
        service: from `kserve_models.find`.
        request: of the caller.
        variant: the one that is asked for, and the key that settles it where none is.

    Raises:
        ServingError: whatever is wrong; what Triton has words for is said in them.
    """
    if service.answers_in_parts:
        what = _END_POINTS.get(call.protocol, call.protocol)
        raise NoMethod(f"{what} doesn't support models with decoupled transaction policy")
    question = asked(service, request, call.deadline, variant)
    return answered(service, request, await plane.infer(call, question))


def asked(service: Service, request: InferRequest, deadline: float, variant: tuple[str, str] = ("", "")) -> Request:
    """The request of a caller as a service takes it.

    Raises:
        ServingError: something is wrong with it.
    """
    tensors = checked(service, request)
    return Request(
        model=service.name,
        version=service.fixed_version,
        tensors=tensors,
        fetch=tuple(wanted(service, request)),
        parameters=request.parameters,
        id=request.id,
        deadline=deadline,
        variant=variant[0],
        variant_key=variant[1],
    )


def answered(service: Service, request: InferRequest, response: Response) -> InferResponse:
    """What a service gives, as its caller asked for it."""
    about = kserve_models.about(service)
    asked_for = wanted(service, request)
    order = {output.alias: k for k, output in enumerate(service.signature.outputs)}
    aliases = sorted(response.tensors, key=lambda alias: order.get(alias, len(order)))
    outputs = tuple(_output(service, request, asked_for.get(alias), alias, response) for alias in aliases)
    return InferResponse(model=about.name, version=about.version, id=request.id, outputs=outputs)


def _output(
    service: Service, request: InferRequest, wanted: RequestedOutput | None, alias: str, response: Response
) -> InferOutput:
    said = wanted or _FULL
    array = response.tensors[alias]
    if said.classes:
        about = kserve_models.about(service)
        has_rows = bool(about.max_batch_size) if about.config else service.signature.can_join
        array = kserve.classified(array, said.classes, has_rows, service.class_names.get(alias, ()))
    is_binary = (request.is_binary and wanted is None) if said.is_binary is None else said.is_binary
    return InferOutput(said.name or alias, array, is_binary)


def wanted(service: Service, request: InferRequest) -> dict[str, RequestedOutput]:
    """What is asked for, by alias; none: everything.

    Raises:
        BadInput: the model has no such output.
    """
    about = kserve_models.about(service)
    alias_of = {name: o.alias for o in service.signature.outputs for name in (o.name, o.alias)}
    found: dict[str, RequestedOutput] = {}
    for output in request.outputs:
        if output.name not in alias_of:
            raise BadInput(f"unexpected inference output '{output.name[:128]}' for model '{about.name}'")
        found.setdefault(alias_of[output.name], output)
    return found


# -- inputs


def checked(service: Service, request: InferRequest) -> Mapping[str, Array]:
    """The tensors by alias, when each input came once, with its type and its shape.

    Raises:
        BadInput: one did not.
    """
    about = kserve_models.about(service)
    expected = {name: i for i in service.signature.inputs for name in (i.name, i.alias)}
    _refuse_wrong_names(service, about, request, expected)
    for given in request.inputs:
        _refuse_misfit(about, request, given, expected[given.name])
    if about.max_batch_size:
        _refuse_uneven(about, request)
        _refuse_large(about, request)
    return {expected[given.name].alias: given.array for given in request.inputs}


def _refuse_wrong_names(
    service: Service, about: ModelAbout, request: InferRequest, expected: Mapping[str, Input]
) -> None:
    names = [given.name for given in request.inputs]
    for k, name in enumerate(names):
        if name in names[:k]:
            raise BadInput(f"{kserve.prefix(request.id)}input '{name}' already exists in request")
    inputs = service.signature.inputs
    missing = [i.alias for i in inputs if i.alias not in names and i.name not in names and not i.is_optional]
    unknown = [name for name in names if name not in expected]
    if len(names) > len(inputs) or len(missing) > len(unknown):
        raise BadInput(
            f"{kserve.prefix(request.id)}expected {len(inputs)} inputs but got {len(names)} inputs for model "
            f"'{about.name}'. Got input(s) {_listed(names)}, but missing required input(s) {_listed(missing)}. "
            "Please provide all required input(s)."
        )
    for name in unknown:
        raise BadInput(f"unexpected inference input '{name[:128]}' for model '{about.name}'")


def _refuse_misfit(about: ModelAbout, request: InferRequest, given: InferInput, expected: Input) -> None:
    """Refuse another type or shape than the input's."""
    wanted = kserve.datatype_of(expected.elem_type)
    if wanted == kserve.BYTES and not _is_of_objects(expected):
        raise BadInput(f"input '{given.name}' of model '{about.name}' takes strings, which are not served here")
    if given.datatype != wanted:
        raise BadInput(
            f"{kserve.prefix(request.id)}inference input '{given.name}' data-type is '{given.datatype}', "
            f"but model '{about.name}' expects '{wanted}'"
        )
    shape = given.array.shape
    pairs = zip(expected.shape, shape, strict=False)
    if len(shape) != len(expected.shape) or any(axis not in (-1, length) for axis, length in pairs):
        raise BadInput(
            f"{kserve.prefix(request.id)}unexpected shape for input '{given.name}' for model '{about.name}'. "
            f"Expected {kserve.said(expected.shape)}, got {kserve.said(shape)}."
        )


def _is_of_objects(expected: Input) -> bool:
    """Whether a model takes strings as this protocol brings them: one by one."""
    kind = dtype.numpy_of(expected.elem_type)
    return kind is not None and kind.hasobject


def _refuse_uneven(about: ModelAbout, request: InferRequest) -> None:
    rows = [len(given.array) for given in request.inputs]
    for given, count in zip(request.inputs, rows, strict=True):
        if count != rows[-1]:
            raise BadInput(
                f"{kserve.prefix(request.id)}input '{given.name}' batch size does not match other inputs "
                f"for '{about.name}'"
            )


def _refuse_large(about: ModelAbout, request: InferRequest) -> None:
    """A config that says how many rows are taken at most is kept to."""
    rows = len(request.inputs[-1].array)
    if about.config and rows > about.max_batch_size:
        raise BadInput(
            f"{kserve.prefix(request.id)}inference request batch-size must be <= {about.max_batch_size} "
            f"for '{about.name}'"
        )


def _listed(names: list[str]) -> str:
    return f"[{','.join(repr(name[:128]) for name in names[:64])}]"


def raw_request(service: Service, body: memoryview) -> InferRequest:
    """The request of a caller who sends nothing but the bytes of the one input: one row of it.

    Raises:
        BadInput: the model takes several inputs, or the bytes do not tell the shape.
    """
    about = kserve_models.about(service)
    if len(about.inputs) != 1:
        raise BadInput(
            f"{kserve.prefix('')}Raw request must only have 1 input (found 1) to be deduced but got "
            f"{len(about.inputs)} inputs in '{about.name}' model configuration"
        )
    (tensor,) = about.inputs
    shape = [1, *tensor.shape[1:]] if tensor.shape[:1] == (-1,) else list(tensor.shape)
    if tensor.datatype == kserve.BYTES:
        if math.prod(shape) != 1:
            raise BadInput(
                f"{kserve.prefix('')}For BYTE datatype raw input '{tensor.name}', the model must have input shape [1]"
            )
        text = byte_strings.array_of([bytes(body)], shape)
        return InferRequest(inputs=(InferInput(tensor.name, tensor.datatype, text),), is_binary=True)
    if shape.count(-1) > 1:
        raise BadInput(
            f"{kserve.prefix('')}The shape of the raw input '{tensor.name}' can not be deduced because there are "
            "more than one variable-sized dimension"
        )
    if -1 in shape:
        row_bytes = kserve.numpy_of(tensor.datatype, tensor.name).itemsize * abs(math.prod(shape))
        shape[shape.index(-1)] = len(body) // max(1, row_bytes)
    array = kserve.unpack(tensor.name, tensor.datatype, shape, body, about.name)
    return InferRequest(inputs=(InferInput(tensor.name, tensor.datatype, array),), is_binary=True)
