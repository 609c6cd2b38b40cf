"""The state of a server as tables, which pages show to people; nothing in here knows how they are drawn."""

import os
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Final

from paddle_serving_client import __version__
from paddle_serving_server.config.trial_models import MAIN
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting.meter import CONNECTIONS, FAILURE, HANGING, HANGS, REQUEST, RESTARTS
from paddle_serving_server.counting.sums import Counted, SeriesSum
from paddle_serving_server.engine import cache, shadow
from paddle_serving_server.engine.counted import MODEL, MODEL_FAILURE
from paddle_serving_server.process import machine
from paddle_serving_server.services.catalogue import Catalogue

_PARTS: Final = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
_STARTED_AT: Final = time.monotonic()
_UNSHOWN: Final = ("service_argv", "counters", "has_served")
"""Settings that may hold what is nobody's business; and so may all that `repr` leaves out."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    note: str = ""


def status(catalogue: Catalogue) -> list[Table]:
    """What a server does: calls, models, what is tried out, and how it all fares."""
    counted = catalogue.meter.read()
    tables = [
        _server(catalogue, counted),
        _calls("Services", ("service", "protocol"), counted, (REQUEST, FAILURE)),
        _calls("Models", ("service", "model", "variant", "version"), counted, (MODEL, MODEL_FAILURE)),
        _runs(counted),
        _engines(catalogue),
    ]
    if catalogue.variants:
        tables.append(_variants(catalogue))
    if catalogue.shadows:
        tables += _shadows(catalogue, counted)
    if catalogue.config.cache_bytes:
        tables.append(_cache(catalogue, counted))
    return tables


def variables(catalogue: Catalogue) -> dict[str, str]:
    """Every number there is, by name."""
    counted = catalogue.meter.read()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "process_pid": str(os.getpid()),
        "process_uptime_s": f"{time.monotonic() - _STARTED_AT:.0f}",
        "process_cpu_s": f"{usage.ru_utime + usage.ru_stime:.2f}",
        "process_memory_bytes": str(machine.resident_bytes()),
        "process_fd_count": str(len(os.listdir("/proc/self/fd"))),
        "server_ready": str(int(catalogue.is_ready)),
        "version": __version__,
    }
    for (kind, labels), series in counted.series.items():
        name = "_".join((kind, *(value for _, value in labels if value)))
        figures = _figures(series) | (_traffic(series) if kind == REQUEST else _work(series))
        found |= {f"{name}_{what}": value for what, value in figures.items()}
    for (kind, labels), n in counted.counts.items():
        found["_".join((kind.partition(":")[2] or kind, *(value for _, value in labels if value)))] = str(n)
    return dict(sorted(found.items()))


def flags(config: ServerConfig) -> Table:
    """The settings of a server, without those that are secret."""
    default = ServerConfig()
    rows = []
    for field in fields(config):
        if field.repr and field.name not in _UNSHOWN:
            value, usual = getattr(config, field.name), getattr(default, field.name)
            usually = {name: said for name, said in _flat(field.name, usual)}
            for name, said in _flat(field.name, value):
                rows.append(("" if usually.get(name) == said else "*", name, said))
    hidden = ", ".join([*_UNSHOWN, *(field.name for field in fields(config) if not field.repr)])
    return Table("Settings", ("", "name", "value"), rows, f"*: not the default. Not shown: {hidden}.")


def connections(catalogue: Catalogue) -> Table:
    """Who is connected to this front."""
    now = time.monotonic()
    rows = [
        (c.peer, c.protocol, _duration(now - c.since), "idle" if c.is_idle else "working", str(c.unsent_bytes))
        for c in catalogue.connections.now()
    ]
    columns = ("peer", "protocol", "open for", "state", "unsent bytes")
    return Table("Connections", columns, rows, _of_this_front(catalogue))


def _server(catalogue: Catalogue, counted: Counted) -> Table:
    restarts = {labels["kind"]: n for labels, n in counted.counts_of(RESTARTS)}
    config = catalogue.config
    rows = [
        ("state", "ready" if catalogue.is_ready else "not ready"),
        ("version", __version__),
        ("front", f"process {os.getpid()}, one of {config.fronts}, up {_duration(time.monotonic() - _STARTED_AT)}"),
        ("connections", str(_sum(counted, CONNECTIONS))),
        ("steps that hang", f"{_sum(counted, HANGING)} now, {_sum(counted, HANGS)} since the start"),
        *((f"{kind} processes that died", str(n)) for kind, n in restarts.items()),
        *([("not counted", f"{counted.lost} names, for which there is no more room")] if counted.lost else []),
    ]
    return Table("Server", ("", ""), rows)


def _calls(title: str, labels: tuple[str, ...], counted: Counted, kinds: tuple[str, str]) -> Table:
    kind, failure = kinds
    errors: dict[tuple[str, ...], list[str]] = {}
    for said, n in counted.counts_of(failure):
        errors.setdefault(tuple(said[name] for name in labels), []).append(f"{n} x {said['err_no']}")
    rows = []
    for said, series in counted.series_of(kind):
        at = tuple(said[name] for name in labels)
        figures = _figures(series)
        shown = (figures[name] for name in _CALL_FIGURES)
        rows.append((*at, *shown, ", ".join(errors.get(at, ())) or "0"))
    columns = (*labels, *(_CALL_FIGURES[name] for name in _CALL_FIGURES), "errors")
    note = "Latencies in milliseconds, of the calls answered in the last minute."
    return Table(title, columns, rows, note)


_CALL_FIGURES: Final = {
    "count": "calls",
    "qps_1s": "qps 1 s",
    "qps_10s": "10 s",
    "qps_60s": "1 min",
    "latency_mean_ms": "avg",
    **{f"latency_{name}_ms": name for name, _ in _PARTS},
    "latency_max_ms": "max",
}


def _figures(series: SeriesSum) -> dict[str, str]:
    recent = series.recent
    return {
        "count": str(series.ok + series.failed),
        "failed": str(series.failed),
        **{f"qps_{s}s": f"{series.per_second(s):.4g}" for s in (1, 10, 60)},
        "latency_mean_ms": _ms(recent.mean_us),
        **{f"latency_{name}_ms": _ms(recent.quantile_us(part)) for name, part in _PARTS},
        "latency_max_ms": _ms(recent.max_us),
        "latency_max_ever_ms": _ms(series.latencies.max_us),
    }


def _traffic(series: SeriesSum) -> dict[str, str]:
    return {"bytes_in": str(series.bytes_in), "bytes_out": str(series.bytes_out)}


def _work(series: SeriesSum) -> dict[str, str]:
    runs = max(1, series.runs)
    return {
        "waiting": str(series.inside),
        "runs": str(series.runs),
        "queue_mean_ms": _ms(series.queue_us / runs),
        "run_mean_ms": _ms(series.run_us / runs),
        "rows_mean": f"{series.rows / runs:.3g}",
    }


def _runs(counted: Counted) -> Table:
    columns = (
        "service",
        "model",
        "variant",
        "version",
        "waiting now",
        "runs",
        "waited ms",
        "ran ms",
        "rows of a batch",
    )
    rows = [(*said.values(), *_work(series).values()) for said, series in counted.series_of(MODEL)]
    return Table("Runs", columns, rows, "Averages over all calls since the server started.")


def _engines(catalogue: Catalogue) -> Table:
    rows = []
    for name in catalogue.names:
        service = catalogue[name]
        plans = list(zip(service.model_plans.items(), service.backends.values(), strict=True))
        rows += [(name, model, *_plan(backend, plan)) for (model, plan), backend in plans]
        others = catalogue.variants[name].engines if name in catalogue.variants else {}
        rows += [(name, f"variant {tag}", *_plan(e.backend_name, e.plan)) for tag, e in others.items() if tag != MAIN]
    for one in catalogue.shadows:
        shadow_plan = _plan(one.shadow.backend_name, one.shadow.plan)
        rows.append((one.labels["service"], f"shadow {one.labels['shadow']}", *shadow_plan))
    return Table("Engines", ("service", "model", "library", "instances", "version", "last reload"), rows)


def _plan(backend: str, plan: Mapping[str, object]) -> tuple[str, str, str, str]:
    reload = plan.get("last_reload")
    said = f"{reload.get('state')}: {reload.get('reason')}" if isinstance(reload, Mapping) else ""
    return str(plan.get("backend", backend)), str(plan.get("instances", 1)), str(plan.get("version", "")), said


def _variants(catalogue: Catalogue) -> Table:
    rows = []
    for service, variants in catalogue.variants.items():
        total = sum(variants.weights.values())
        rows += [(service, tag, f"{w:g}", f"{100 * w / total:.4g} %") for tag, w in variants.weights.items()]
    return Table("Variants", ("service", "variant", "weight", "share"), rows)


def _shadows(catalogue: Catalogue, counted: Counted) -> list[Table]:
    kinds = (shadow.EQUAL, shadow.DIFFERENT, shadow.FAILED, shadow.DROPPED, shadow.LARGEST)
    found = {kind: {tuple(at.items()): n for at, n in counted.counts_of(kind)} for kind in kinds}
    rows, examples = [], []
    for one in catalogue.shadows:
        at = tuple(one.labels.items())
        equal, different, failed, dropped, largest = (found[kind].get(at, 0) for kind in kinds)
        where = (one.labels["service"], one.labels["shadow"])
        counts = (equal, different, failed, dropped)
        rows.append((*where, f"{one.percent:g} %", *map(str, counts), f"{largest / 1e9:.3g}", f"{one.tolerance:g}"))
        for e in reversed(one.examples):
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(e.at))
            examples.append((*where, when, ", ".join(e.outputs), f"{e.distance:.3g}", ", ".join(e.inputs)))
    columns = ("service", "shadow", "copied", "equal", "different", "failed", "dropped", "largest", "tolerance")
    note = "A difference is a part of the output's largest value."
    last = ("service", "shadow", "when", "outputs", "difference", "inputs")
    return [
        Table("Shadows", columns, rows, note),
        Table("Last answers of shadows that differ", last, examples, _of_this_front(catalogue)),
    ]


def _cache(catalogue: Catalogue, counted: Counted) -> Table:
    kinds = (cache.HITS, cache.SHARED, cache.MISSES, cache.BYTES)
    hits, shared, misses, size = (sum(n for _, n in counted.counts_of(kind)) for kind in kinds)
    part = 100 * (hits + shared) / max(1, hits + shared + misses)
    rows = [
        ("found", str(hits)),
        ("shared the run of an equal request", str(shared)),
        ("computed", str(misses)),
        ("spared", f"{part:.3g} %"),
        ("bytes", f"{size} of {catalogue.config.cache_bytes * catalogue.config.fronts}"),
    ]
    return Table("Request cache", ("", ""), rows)


def _of_this_front(catalogue: Catalogue) -> str:
    return f"Of this front, one of {catalogue.config.fronts}." if catalogue.config.fronts > 1 else ""


def _flat(name: str, value: object) -> list[tuple[str, str]]:
    """A setting as lines: what has parts, part by part."""
    if is_dataclass(value):
        return [line for f in fields(value) if f.repr for line in _flat(f"{name}.{f.name}", getattr(value, f.name))]
    if isinstance(value, tuple) and any(map(is_dataclass, value)):
        return [line for k, part in enumerate(value) for line in _flat(f"{name}[{k}]", part)]
    return [(name, _shown(value))]


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _sum(counted: Counted, kind: str) -> int:
    return sum(n for _, n in counted.counts_of(kind))


def _ms(us: float) -> str:
    return f"{us / 1000:.3g}" if us < 1e6 else f"{us / 1000:.0f}"


def _duration(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    said = [f"{n} {unit}" for n, unit in parts if n]
    return " ".join(said[:2]) or "0 s"
