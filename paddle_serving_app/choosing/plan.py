"""A plan: which library runs a model, with how many threads, in batches of what size, and the measurements that say so.

Plans are made by `choose`, and kept by `kept_plans`. Nothing heavy is imported here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from paddle_serving_app import processors
from paddle_serving_app.backend import ModelOptions


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to run a model."""

    backend: str
    onednn: bool
    """Only where the library has it as an option."""
    threads: int

    @property
    def library(self) -> str:
        """For people: `paddle + oneDNN`."""
        return f"{self.backend} + oneDNN" if self.onednn else self.backend

    def __str__(self) -> str:
        return f"{self.library}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def options(self, asked: ModelOptions) -> ModelOptions:
        """What was asked for, run this way."""
        return replace(asked, backend=self.backend, onednn=self.onednn, threads=self.threads)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run of a candidate takes."""

    candidate: Candidate
    rows: int
    """Of the batch."""
    ms: float
    """Milliseconds: the median of the quietest turn."""
    note: str = ""

    @property
    def rows_per_s(self) -> float:
        """Rows that come out in a second when one run follows the other."""
        return 1000 * self.rows / self.ms


@dataclass(frozen=True, slots=True)
class Skipped:
    """A candidate that is out, and why."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class Engines:
    """Some engines of one library beside each other."""

    count: int
    threads: int
    """Of each."""
    rows_per_s: float
    """Of all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a model is run, and why."""

    candidate: Candidate
    max_rows: int = 0
    """Largest batch that measured faster per row than all smaller ones; 0: not measured."""
    engines: Engines | None = None
    """What answers the most lone rows in a second; None where that was not measured."""
    why: str
    """One line for people."""
    table: tuple[Measurement, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the libraries that were there, by backend."""
    cpu: str = ""
    seconds: float = 0.0
    """What the measuring took."""
    doubt: str = ""
    """Why it may be another one on a quieter machine; empty: it is certain."""
    tries: int = 1
    """How often it was measured until now."""

    def describe(self) -> dict[str, object]:
        """For JSON that people and pages read: measured ones first, then those that are out with their reason."""
        measured = [
            {
                "backend": m.candidate.library,
                "threads": m.candidate.threads,
                "rows": m.rows,
                "ms": round(m.ms, 3),
                "rows_per_s": round(m.rows_per_s, 1),
                "note": m.note,
            }
            for m in self.table
        ]
        out = [
            {
                "backend": s.candidate.library,
                "threads": s.candidate.threads,
                "rows": None,
                "ms": None,
                "rows_per_s": None,
                "note": s.reason,
            }
            for s in self.skipped
        ]
        return {
            "backend": self.candidate.library,
            "threads": self.candidate.threads,
            "max_rows": self.max_rows,
            "engines": None if self.engines is None else asdict(self.engines),
            "why": self.why,
            "table": measured + out,
            "versions": dict(self.versions),
            "cpu": self.cpu,
            "doubt": self.doubt,
        }


def beside(plan: Plan | None, options: ModelOptions, instances: int) -> tuple[int, int]:
    """How many engines a model gets, and how many threads each.

    Args:
        plan: of the model, if there is one.
        options: what was asked for; its threads, if it names some, are those of each engine.
        instances: how many were asked for; 0: as many as measured best, else one.

    Returns:
        Both numbers. Engines that were not measured beside each other share the processors.
    """
    measured = plan.engines if plan is not None else None
    count = instances or (measured.count if measured is not None else 1)
    if options.threads:
        return count, options.threads
    if measured is not None and measured.count == count:
        return count, measured.threads
    if count == 1:
        return 1, plan.candidate.threads if plan is not None else processors.available()
    return count, max(1, processors.available() // count)


def shown_ms(ms: float) -> str:
    """Milliseconds for people: three digits."""
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"


def unmeasured(backend: str, options: ModelOptions, why: str) -> Plan:
    """The plan of a model whose library was not chosen by measuring."""
    threads = options.threads or processors.available()
    onednn = backend == "paddle" and options.onednn and options.gpu_id is None
    return Plan(candidate=Candidate(backend, onednn, threads), why=why)


def from_json(fields: Mapping[str, Any]) -> Plan:
    """A plan from its JSON form, `asdict`; raises whatever does not fit."""
    found = Plan(
        candidate=_candidate(fields["candidate"]),
        max_rows=_number(fields["max_rows"], 0),
        engines=None if fields["engines"] is None else _engines(fields["engines"]),
        why=str(fields["why"]),
        table=tuple(
            Measurement(_candidate(m["candidate"]), _number(m["rows"], 1), float(m["ms"]), str(m["note"]))
            for m in fields["table"]
        ),
        skipped=tuple(Skipped(_candidate(s["candidate"]), str(s["reason"])) for s in fields["skipped"]),
        versions={str(name): str(version) for name, version in fields["versions"].items()},
        cpu=str(fields["cpu"]),
        seconds=float(fields["seconds"]),
        doubt=str(fields["doubt"]),
        tries=_number(fields["tries"], 1),
    )
    if not all(m.ms > 0 for m in found.table):
        raise ValueError("a run took no time")
    return found


def _candidate(fields: dict[str, Any]) -> Candidate:
    if not isinstance(fields["backend"], str):
        raise TypeError("backend is no text")
    return Candidate(fields["backend"], fields["onednn"] is True, _number(fields["threads"], 1))


def _engines(fields: dict[str, Any]) -> Engines:
    return Engines(_number(fields["count"], 1), _number(fields["threads"], 1), float(fields["rows_per_s"]))


def _number(value: object, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"expected a number of at least {least}, got {value!r}")
    return value
