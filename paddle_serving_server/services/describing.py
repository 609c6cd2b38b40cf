"""What is served, as `GET /services` says it."""

from collections.abc import Mapping
from typing import Any, Final

from paddle_serving_app.signature import Input
from paddle_serving_client import dtype
from paddle_serving_client.services import handler_call
from paddle_serving_server.engine.counted import MODEL
from paddle_serving_server.engine.handler_plan import PROCESS
from paddle_serving_server.engine.replicas import PROCESSES
from paddle_serving_server.process.states import State
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service, table_of

_UNKNOWN: Final[Mapping[str, Any]] = {
    "kind": "json",
    "takes_tensors": False,
    "title": "",
    "inputs": [],
    "outputs": [],
    "example": None,
    "backend": "",
    "models": [],
    "ready": False,
}
"""What is said of a service that answers nobody."""


def describe(catalogue: Catalogue) -> Mapping[str, object]:
    """Every service that is registered, whether it answers or not."""
    services = [_described(catalogue, name) for name in catalogue.statuses]
    return {"services": services} | ({"code": catalogue.code_report} if catalogue.code_report else {})


def _described(catalogue: Catalogue, name: str) -> dict[str, object]:
    """One of them; of one that answers nobody there is little to say but why."""
    if name not in catalogue:
        return {**_UNKNOWN, "name": name, **_state(catalogue, name)}
    found = {**_description(catalogue[name], catalogue.is_ready), **_state(catalogue, name)}
    if catalogue.config.torchserve is not None:
        found["kind"] = handler_call.KIND
    if name in catalogue.variants:
        found["variants"] = _variants_of(catalogue, name)
    return found


def _state(catalogue: Catalogue, name: str) -> dict[str, object]:
    status = catalogue.statuses[name]
    versions: list[dict[str, str]] = [version.as_json() for version in status.versions]
    if status.model is None:
        ready = {"state": str(State.READY), "reason": ""}
        versions = [{"version": version, **ready} for version in catalogue.versions(name)]
    answering = catalogue.versions(name) if name in catalogue else {}
    default = next((version for version, service in answering.items() if service is catalogue[name]), "")
    state = State.READY if name in catalogue else status.state
    return {"state": str(state), "reason": status.reason, "versions": versions, "default": default}


def _variants_of(catalogue: Catalogue, service: str) -> list[dict[str, object]]:
    """Each variant of a service: how often it is chosen, what it has answered, and how fast in the last minute."""
    found = {at["variant"]: s for at, s in catalogue.meter.read().series_of(MODEL) if at["service"] == service}
    return [
        {
            "name": tag,
            "weight": weight,
            "calls": found[tag].ok + found[tag].failed,
            "failures": found[tag].failed,
            "mean_ms": round(found[tag].recent.mean_us / 1000, 3),
            "p99_ms": round(found[tag].recent.quantile_us(0.99) / 1000, 3),
        }
        for tag, weight in catalogue.variants[service].weights.items()
    ]


def _description(service: Service, is_ready: bool) -> dict[str, object]:
    signature = service.signature
    inputs = [_input(i) for i in signature.inputs]
    outputs = [_variable(o.alias, o.elem_type, o.shape) for o in signature.outputs]
    about = service.about
    if about.kind == "image":
        inputs = [{"name": about.file_input, "dtype": "image"}]
    table = table_of(service)
    if service.outputs:
        outputs = [{"name": name} for name in service.outputs]
    return {
        "name": service.name,
        "kind": "pipeline" if service.is_pipeline else "fields" if table else about.kind,
        "takes_tensors": not service.is_pipeline and service.takes_tensors,
        "title": about.title or (table.title if table else ""),
        "inputs": inputs,
        "outputs": outputs,
        **({"fields": table.describe()} if table else {}),
        "example": about.example or (table.example if table else None),
        "backend": ", ".join(sorted(set(service.backends.values()))),
        "models": [{"name": name, "plan": _shown(plan)} for name, plan in service.model_plans.items()],
        "ready": is_ready,
    }


def _input(spec: Input) -> dict[str, object]:
    """An input; with the shape and the one value of a tensor that its model has answered, where there is one."""
    said = _variable(spec.alias, spec.elem_type, spec.shape)
    lod = {"is_lod": True} if spec.is_lod else {}
    sample = {} if spec.sample is None else {"sample": {"shape": list(spec.sample.shape), "value": spec.sample.value}}
    return {**said, **lod, **sample}


def _shown(plan: Mapping[str, object]) -> dict[str, object]:
    """A plan without what is nobody's business: which processes run it."""
    return {name: value for name, value in plan.items() if name not in (PROCESS, PROCESSES)}


def _variable(name: str, elem_type: int, shape: tuple[int, ...]) -> dict[str, object]:
    return {"name": name, "dtype": dtype.name_of(elem_type), "shape": list(shape)}
