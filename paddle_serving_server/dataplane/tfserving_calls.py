"""A call by TensorFlow Serving's protocol, whatever carried it: which service is meant, and what is told of it.

A model of theirs is a service here. It has one version, the one that answers now, whose number is that of the folder it
was loaded from, where this has one. A label is a variant of an A/B test; `stable` is the first of the variants, and the
version that answers now where there is no test.
"""

from collections.abc import Mapping
from typing import Final

from paddle_serving_app.signature import Input, Output
from paddle_serving_client.errors import BackendFailed, BadInput, NoMethod, NoService
from paddle_serving_client.message import Array, Request, Response
from paddle_serving_client.wire import tfserving
from paddle_serving_client.wire.tfserving import ModelInfo, State, TensorInfo, Wanted
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.services.service import Service

STABLE: Final = "stable"


async def model(plane: DataPlane, call: Call, wanted: Wanted) -> ModelInfo:
    """The model that is meant.

    Raises:
        NoService: it is not there, or not in that version. NoMethod: it takes no tensors.
        BadInput: it has no such label or signature.
    """
    service = await _service(plane, call, wanted)
    if not service.signature.inputs:
        raise NoMethod(f"service {wanted.name!r} takes no tensors, so it is no model of TensorFlow Serving's")
    check_signature(wanted.signature)
    inputs, outputs = service.signature.inputs, service.signature.outputs
    return ModelInfo(wanted.name, version_of(service), tuple(map(_input, inputs)), tuple(map(_output, outputs)))


def check_signature(name: str) -> None:
    """Refuse a signature that no model has.

    Raises:
        BadInput: it is neither the one that there is, nor empty.
    """
    if name not in ("", tfserving.SIGNATURE):
        said = f'Serving signature name: "{name[:64]}" not found in signature def'
        raise BadInput(f'{said}; there is "{tfserving.SIGNATURE}"')


async def infer(
    plane: DataPlane, call: Call, wanted: Wanted, tensors: Mapping[str, Array], fetch: tuple[str, ...] = ()
) -> Response:
    """Have a model answer.

    Args:
        plane, call: see `DataPlane.infer`.
        wanted: the model, which `model` has found.
        tensors: by alias.
        fetch: aliases of the outputs wanted; empty: all.

    Raises:
        ServingError: there is no answer.
    """
    outputs = [o.alias for o in plane.catalogue[wanted.name].signature.outputs]
    for name in fetch:
        if name not in outputs:
            known = ",".join(outputs)
            raise BadInput(f"output tensor alias not found in signature: {name[:64]} Outputs expected: {known}")
    variant = wanted.label
    variants = _variants(plane, wanted.name)
    if variant == STABLE and STABLE not in variants:
        variant = next(iter(variants), "")
    request = Request(model=wanted.name, tensors=tensors, fetch=fetch, deadline=call.deadline, variant=variant)
    response = await plane.infer(call, request)
    if not response.tensors:
        raise BackendFailed(f"service {wanted.name!r} gave no tensors")
    return response


async def status(plane: DataPlane, call: Call, wanted: Wanted) -> tuple[int, State]:
    """The version of a model and what it is doing.

    Raises:
        NoService, BadInput: as `model`.
    """
    service = await _service(plane, call, wanted, "Could not find any versions of model {name}")
    return version_of(service), State.AVAILABLE if plane.catalogue.is_ready else State.LOADING


def version_of(service: Service) -> int:
    """The number of the version of its main model that answers now."""
    plan: Mapping[str, object] = next(iter(service.model_plans.values()), {})
    for said in (plan.get("from"), plan.get("version")):
        if isinstance(said, str) and said.isdecimal():
            return int(said)
    return 1


async def _service(plane: DataPlane, call: Call, wanted: Wanted, words: str = "") -> Service:
    catalogue = plane.catalogue
    await catalogue.start.over(call.deadline)
    if wanted.name not in catalogue:
        served = ", ".join(catalogue.names)
        said = words.format(name=wanted.name[:64]) if words else f"Servable not found for request: {wanted}"
        raise NoService(f"{said}; served here: {served}")
    service = catalogue[wanted.name]
    if wanted.version is not None and wanted.version != version_of(service):
        said = f"Could not find version {wanted.version} of model {wanted.name}" if words else ""
        said = said or f"Servable not found for request: {wanted}"
        raise NoService(f"{said}; version {version_of(service)} is served")
    if wanted.label not in ("", STABLE) and wanted.label not in _variants(plane, wanted.name):
        labels = ", ".join((STABLE, *_variants(plane, wanted.name)))
        raise BadInput(f"Unrecognized servable version label: {wanted.label[:64]}; there are: {labels}")
    return service


def _variants(plane: DataPlane, name: str) -> Mapping[str, float]:
    variants = plane.catalogue.variants
    return variants[name].weights if name in variants else {}


def _input(spec: Input) -> TensorInfo:
    return TensorInfo(spec.alias, spec.name, spec.elem_type, spec.shape)


def _output(spec: Output) -> TensorInfo:
    """Its shape is the config's, which has no batch axis."""
    return TensorInfo(spec.alias, spec.name, spec.elem_type, (-1, *spec.shape))
