"""What KServe v2 is told of the models that are served: which there are, what they take and give, what is counted."""

from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from paddle_serving_app.signature import Signature
from paddle_serving_client import __version__
from paddle_serving_client.errors import BadInput, NoMethod, NoService
from paddle_serving_client.wire import kserve
from paddle_serving_client.wire.kserve_about import (
    LOADING,
    READY,
    Duration,
    Indexed,
    ModelAbout,
    ServerAbout,
    Statistics,
    TensorAbout,
)
from paddle_serving_server.counting.meter import REQUEST
from paddle_serving_server.engine.counted import MODEL
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service

SERVER: Final = ServerAbout("paddle-serving-next", __version__)
_FIRST: Final = "1"
"""The version of a model whose folder has no number for a name."""
_PLATFORMS: Final = {"onnxruntime": "onnxruntime_onnx"}
"""What Triton calls what a backend runs, where that is another name."""


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
    if name not in catalogue:
        raise NoService(f"Request for unknown model: '{name[:128]}' is not found")
    service = catalogue[name]
    if not _takes_tensors(service) and not (in_parts and service.answers_in_parts):
        raise NoMethod(f"service '{name}' takes no tensors, so it is no model here; POST /{name}/prediction")
    if version and not version.isdecimal():
        raise BadInput(
            f"failed to get model version from specified version string '{version[:32]}', "
            "version should be an integral value > 0"
        )
    if version and int(version) != int(version_of(service)):
        raise NoService(f"Request for unknown model: '{name}' version {version[:20]} is not found")
    return service


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
        find(catalogue, name, version)
    except (NoService, NoMethod):
        return False
    return catalogue.is_ready


def version_of(service: Service) -> str:
    """The version of a model that answers: the number that its folder has for a name, else 1."""
    plan = next(iter(service.model_plans.values()), {})
    number = Path(str(plan.get("from", ""))).name
    return str(int(number)) if number.isdecimal() else _FIRST


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
    """Configs of models leave the batch axis of outputs out; here it is said."""
    plan = next(iter(service.model_plans.values()), {})
    backend = next(iter(service.backends.values()), "")
    return ModelAbout(
        name=service.name,
        version=version_of(service),
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


def statistics(catalogue: Catalogue, service: Service) -> Statistics:
    """What was counted of a model over all protocols: calls, not rows, for nobody counts those of a single call."""
    counted = catalogue.meter.read()
    calls = [found for at, found in counted.series_of(REQUEST) if at["service"] == service.name]
    runs = [found for at, found in counted.series_of(MODEL) if at["service"] == service.name]
    times = sum(found.runs for found in runs)
    return Statistics(
        name=service.name,
        version=version_of(service),
        inference_count=times,
        execution_count=times,
        success=Duration(sum(s.ok for s in calls), 1000 * sum(s.latencies.sum_us for s in calls)),
        fail=Duration(sum(s.failed for s in calls)),
        queue=Duration(times, 1000 * sum(s.queue_us for s in runs)),
        compute_input=Duration(times),
        compute_infer=Duration(times, 1000 * sum(s.run_us for s in runs)),
        compute_output=Duration(times),
    )


def index(catalogue: Catalogue, only_ready: bool = False) -> list[Indexed]:
    """Every model, in one version."""
    if only_ready and not catalogue.is_ready:
        return []
    state = READY if catalogue.is_ready else LOADING
    return [Indexed(name, version_of(catalogue[name]), state) for name in names(catalogue)]


def _takes_tensors(service: Service) -> bool:
    return bool(service.signature.inputs)  # a pipeline has none


def _rows(value: object) -> int:
    """The largest batch; a model whose requests are run one at a time has no batch."""
    rows = _whole(value)
    return rows if rows > 1 else 0


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
