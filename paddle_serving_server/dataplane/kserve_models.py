"""What KServe v2 is told of the models that are served: which there are, what they take and give, what is counted."""

from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from paddle_serving_app.signature import Signature
from paddle_serving_app.triton.config import TritonModelConfig, shape_of
from paddle_serving_client import __version__
from paddle_serving_client.errors import BadInput, NoMethod, NoService, Starting
from paddle_serving_client.wire import kserve
from paddle_serving_client.wire.kserve_about import (
    ModelAbout,
    ServerAbout,
    TensorAbout,
)
from paddle_serving_server.process.states import State
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service

_SERVER: Final = "paddle-serving-next"
_PLATFORMS: Final = {"onnxruntime": "onnxruntime_onnx"}
"""What Triton calls what a backend runs, where that is another name."""


def server(catalogue: Catalogue) -> ServerAbout:
    """What is said of the server."""
    rules = catalogue.config.triton
    return ServerAbout((rules.server_name if rules is not None else "") or _SERVER, __version__)


def is_server_ready(catalogue: Catalogue) -> bool:
    """Whether the server has started, and, where that is to count, no model of its repositories could not be loaded."""
    rules = catalogue.config.triton
    if not catalogue.is_ready or rules is None or not rules.is_strict:
        return catalogue.is_ready
    return all(status.state is not State.REFUSED for status in catalogue.registry.index())


def names(catalogue: Catalogue) -> list[str]:
    """The services that take tensors."""
    return [name for name in catalogue.names if _takes_tensors(catalogue[name])]


def find(catalogue: Catalogue, name: str, version: str = "", in_parts: bool = False) -> Service:
    """The service that a model's name means.

    Args:
        catalogue: of this front.
        name: as the caller said it.
        version: a number, or empty for the one that answers.
        in_parts: whether it may be one that answers in parts, with or without a model.

    Raises:
        NoService: there is no such model, or not in that version. NoMethod: it takes no tensors.
        BadInput: the version is no number.
    """
    if not catalogue.has(name):
        raise NoService(f"Request for unknown model: '{name[:128]}' is not found")
    if version and not version.isdecimal():
        raise BadInput(
            f"failed to get model version from specified version string '{version[:32]}', "
            "version should be an integral value > 0"
        )
    service = _answering(catalogue, name, version)
    if not _takes_tensors(service) and not (in_parts and service.answers_in_parts):
        raise NoMethod(f"service '{name}' takes no tensors, so it is no model here; POST /{name}/prediction")
    return service


def _answering(catalogue: Catalogue, name: str, version: str) -> Service:
    try:
        if not version or name not in catalogue:
            return catalogue[name]
        return catalogue.find(name, str(int(version)))
    except NoService as exc:
        if name not in catalogue:
            raise NoService(f"Request for unknown model: '{name}' has no available versions") from exc
        raise NoService(f"Request for unknown model: '{name}' version {version[:20]} is not found") from exc


def find_counted(catalogue: Catalogue, name: str, version: str = "") -> Service:
    """As `find`, in the words that statistics have for what is not there.

    Raises:
        BadInput: there is no such model.
    """
    try:
        return find(catalogue, name, version)
    except (NoService, NoMethod):
        of_version = f" version {version[:20]}" if version and name in catalogue else ""
        raise BadInput(f"requested model '{name[:128]}'{of_version} is not available") from None


def is_ready(catalogue: Catalogue, name: str, version: str = "") -> bool:
    """Whether a model can answer now; one that is not there cannot.

    Raises:
        BadInput: the version is no number.
    """
    try:
        service = find(catalogue, name, version)
    except (NoService, NoMethod, Starting):
        return False
    return catalogue.is_ready and all(is_ready(catalogue, *asked) for asked in service.asks)


def versions(catalogue: Catalogue, name: str, version: str = "") -> list[str]:
    """The versions of a model that answer, lowest first; the one that is asked for, if one is."""
    return [version] if version else list(reversed(catalogue.versions(name)))


def about(service: Service) -> ModelAbout:
    """What a model takes and gives, and how it is run; made once for each version, which has a signature of its own."""
    signature = service.signature
    kept = _kept.get(service)
    if kept is None or kept.signature is not signature:
        kept = _kept[service] = _Kept(signature, _made(service, signature))
    return kept.about


class _Kept(NamedTuple):
    signature: Signature
    about: ModelAbout


_kept: WeakKeyDictionary[Service, _Kept] = WeakKeyDictionary()


def _made(service: Service, signature: Signature) -> ModelAbout:
    if service.triton is not None:
        return _of_config(service, service.triton)
    # Configs of models leave the batch axis of outputs out; here it is said.
    plan = next(iter(service.model_plans.values()), {})
    backend = next(iter(service.backends.values()), "")
    return ModelAbout(
        name=service.name,
        version=service.version,
        platform=_PLATFORMS.get(backend, backend),
        backend=backend,
        inputs=tuple(TensorAbout(i.alias, kserve.datatype_of(i.elem_type), i.shape) for i in signature.inputs),
        outputs=tuple(
            TensorAbout(o.alias, kserve.datatype_of(o.elem_type), o.shape if o.is_lod else (-1, *o.shape))
            for o in signature.outputs
        ),
        max_batch_size=_rows(plan.get("max_rows")) if signature.can_join else 0,
        instances=max(1, _whole(plan.get("instances"))),
        on_gpu=any(plan.options.gpu_id is not None for plan in service.plans.values()),
    )


def _of_config(service: Service, config: TritonModelConfig) -> ModelAbout:
    """What the config of a repository says."""
    inputs, outputs = (
        tuple(TensorAbout(t.name, t.datatype, shape_of(config, t)) for t in tensors)
        for tensors in (config.inputs, config.outputs)
    )
    return ModelAbout(
        name=config.name,
        version=service.version,
        platform=config.platform,
        backend=config.backend,
        inputs=inputs,
        outputs=outputs,
        max_batch_size=config.max_batch_size,
        config=config.message,
    )


def _takes_tensors(service: Service) -> bool:
    return bool(service.signature.inputs)  # a pipeline has none


def _rows(value: object) -> int:
    """The largest batch; a model whose requests are run one at a time has no batch."""
    rows = _whole(value)
    return rows if rows > 1 else 0


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
