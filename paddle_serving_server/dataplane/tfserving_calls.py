"""A call by TensorFlow Serving's protocol, whatever carried it: which model is meant, and what is told of it.

A model of theirs is a service here, and a version is one of its versions in the registry. A label is one of the
registry, or a variant of an A/B test; `stable`, where nothing else has that name, is the first of the variants, or what
answers who asks for no version.
"""

from collections.abc import Mapping
from typing import Final

from paddle_serving_app.signature import Input, Output
from paddle_serving_client.errors import BackendFailed, BadInput, NoMethod, NoService
from paddle_serving_client.message import Array, Request, Response
from paddle_serving_client.wire import tfserving
from paddle_serving_client.wire.tfserving import ModelInfo, TensorInfo, VersionState, Wanted
from paddle_serving_server.config.tfserving import served
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.process.states import State
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service

STABLE: Final = "stable"
_STATES: Final = {
    State.LOADING: tfserving.State.LOADING,
    State.READY: tfserving.State.AVAILABLE,
    State.UNLOADING: tfserving.State.UNLOADING,
    State.REFUSED: tfserving.State.END,
}


async def model(plane: DataPlane, call: Call, wanted: Wanted) -> ModelInfo:
    """The model that is meant.

    Raises:
        NoService: it is not there, or not in that version. NoMethod: it takes no tensors.
        BadInput: it has no such label or signature.
    """
    await plane.catalogue.start.over(call.deadline)
    service = _service(plane.catalogue, wanted)
    if not service.signature.inputs:
        raise NoMethod(f"service {wanted.name!r} takes no tensors, so it is no model of TensorFlow Serving's")
    check_signature(wanted.signature)
    inputs, outputs = service.signature.inputs, service.signature.outputs
    return ModelInfo(wanted.name, _number(service.version), tuple(map(_input, inputs)), tuple(map(_output, outputs)))


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
    outputs = [o.alias for o in _service(plane.catalogue, wanted).signature.outputs]
    for name in fetch:
        if name not in outputs:
            known = ",".join(outputs)
            raise BadInput(f"output tensor alias not found in signature: {name[:64]} Outputs expected: {known}")
    version, variant = _version(plane.catalogue, wanted), _variant(plane.catalogue, wanted)
    request = Request(
        model=wanted.name, version=version, tensors=tensors, fetch=fetch, deadline=call.deadline, variant=variant
    )
    response = await plane.infer(call, request)
    if not response.tensors:
        raise BackendFailed(f"service {wanted.name!r} gave no tensors")
    return response


async def status(plane: DataPlane, call: Call, wanted: Wanted) -> list[VersionState]:
    """What the versions of a model are doing, highest first: all of them, or the one that is named.

    Raises:
        NoService: there is none. BadInput: there is no such label.
    """
    catalogue, name = plane.catalogue, wanted.name
    await catalogue.start.over(call.deadline)
    found = _versions(catalogue, name)
    if not found:
        raise NoService(f"Could not find any versions of model {name[:64]}")
    number = wanted.version
    if wanted.label:
        number = _number(_service(catalogue, wanted).version)
    if number is None:
        return sorted(found, key=lambda version: version.version, reverse=True)
    if not (those := [version for version in found if version.version == number]):
        raise NoService(f"Could not find version {number} of model {name[:64]}; there is {_listed(found)}")
    return those


async def reload(plane: DataPlane, call: Call, config: bytes) -> str:
    """Serve the models of a `ModelServerConfig`, and none of the others.

    Returns:
        Why not all of them are served; empty: they are.

    Raises:
        BadInput: it is none. BadConfig: it says something impossible, or no model is at a path.
    """
    await plane.catalogue.start.over(call.deadline)
    models = served.models_of(config, plane.catalogue.config.options)
    outcomes = await plane.catalogue.registry.replace_all(models)
    return "; ".join(f"{outcome.status.name}: {outcome.refusal}" for outcome in outcomes if outcome.refusal)


def _service(catalogue: Catalogue, wanted: Wanted) -> Service:
    name = wanted.name
    if not catalogue.has(name):
        known = ", ".join(catalogue.names)
        raise NoService(f"Servable not found for request: {wanted}; served here: {known}")
    if wanted.label not in ("", STABLE, *_labels(catalogue, name), *_variants(catalogue, name)):
        labels = ", ".join((*_labels(catalogue, name), STABLE, *_variants(catalogue, name)))
        raise BadInput(f"Unrecognized servable version label: {wanted.label[:64]}; there are: {labels}")
    version = _version(catalogue, wanted)
    if (
        version
        and wanted.version is not None
        and not any(v.version == wanted.version for v in _versions(catalogue, name))
    ):
        there = _listed(_versions(catalogue, name))
        raise NoService(f"Servable not found for request: {wanted}; there is {there}")
    return catalogue.find(name, version)


def _version(catalogue: Catalogue, wanted: Wanted) -> str:
    """What the registry calls the version that is meant; empty: the one that answers who asks for none."""
    if wanted.label:
        return _labels(catalogue, wanted.name).get(wanted.label, "")
    return "" if wanted.version is None else str(wanted.version)


def _variant(catalogue: Catalogue, wanted: Wanted) -> str:
    """The variant of an A/B test that is meant; empty: any."""
    variants = _variants(catalogue, wanted.name)
    if not wanted.label or wanted.label in _labels(catalogue, wanted.name):
        return ""
    return wanted.label if wanted.label in variants else next(iter(variants), "")


def _versions(catalogue: Catalogue, name: str) -> list[VersionState]:
    """All versions, whatever they are doing; what answers says its number itself."""
    status = catalogue.statuses.get(name)
    if status is None:
        return []
    if status.model is None and name in catalogue:
        state = tfserving.State.AVAILABLE if catalogue.is_ready else tfserving.State.LOADING
        return [VersionState(_number(catalogue[name].version), state)]
    return [
        VersionState(_number(version.version), _STATES[version.state], version.reason) for version in status.versions
    ]


def _number(version: str) -> int:
    """Versions that are called by names have no number of their own."""
    return int(version) if version.isdecimal() else 1


def _labels(catalogue: Catalogue, name: str) -> Mapping[str, str]:
    status = catalogue.statuses.get(name)
    return {} if status is None or status.model is None else dict(status.model.labels)


def _variants(catalogue: Catalogue, name: str) -> Mapping[str, float]:
    return catalogue.variants[name].weights if name in catalogue.variants else {}


def _listed(versions: list[VersionState]) -> str:
    return ", ".join(f"version {version.version}" for version in versions) or "none"


def _input(spec: Input) -> TensorInfo:
    return TensorInfo(spec.alias, spec.name, spec.elem_type, spec.shape)


def _output(spec: Output) -> TensorInfo:
    """Its shape is the config's, which has no batch axis."""
    return TensorInfo(spec.alias, spec.name, spec.elem_type, (-1, *spec.shape))
