"""What fronts have recorded, as the JSON that Perfetto and chrome://tracing open.

    process "front N"    tracks for each service: a request, and in it its stages; as many tracks as ran side by side
    process of an engine "runs": each batch once, however many requests of however many fronts were in it;
                         "waiting": how many requests waited for it

Arrows lead from the stage `infer` of a request to the batch that it was part of.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from paddle_serving_server.counting import recording

Event: TypeAlias = dict[str, Any]

_FIRST_ENGINE: Final = 1_000_000_000
"""Stands for the process number of the first engine, above all real ones."""
_RUNS, _TRACKS = 1, 100
_SAME_BATCH_S: Final = 0.001
"""How far apart the start of one batch may look from different fronts."""


def from_files(folder: Path, seconds: float, fronts: int) -> bytes:
    """The trace of what the fronts have written into a folder."""
    found = [orjson.loads(file.read_bytes()) for file in recording.files(folder)]
    about = {
        "seconds": seconds,
        "fronts": fronts,
        "fronts_missing": fronts - len(found),
        "dropped": sum(front["dropped"] for front in found),
    }
    return orjson.dumps({"traceEvents": events(found), "displayTimeUnit": "ms", "otherData": about})


def events(fronts: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The events of recordings, one for each front (`recording.Recording.as_json`)."""
    if not fronts:
        return []
    zero = min(front["began"] for front in fronts)
    made: list[Event] = []
    numbers = itertools.count(1)
    arrivals: dict[tuple[int, float], list[tuple[int, Event]]] = {}
    for k, front in enumerate(fronts):
        made += _named(front["pid"], f"front {k}", k)
        made += _requests(front, zero, numbers, arrivals)
        made += _failures(front, zero)
    runs = [(front["pid"], *run) for front in fronts for run in front["runs"]]
    for k, engine in enumerate(sorted({run[1] for run in runs})):
        made += _engine(_FIRST_ENGINE + k, engine, [run for run in runs if run[1] == engine], zero, arrivals)
    return made


def _requests(
    front: Mapping[str, Any],
    zero: float,
    numbers: Iterator[int],
    arrivals: dict[tuple[int, float], list[tuple[int, Event]]],
) -> Iterator[Event]:
    """The requests of a front. Into `arrivals`, by front and the moment an engine was asked: where its arrow begins."""
    pid = front["pid"]
    lanes: dict[str, list[float]] = {}
    tracks: dict[tuple[str, int], int] = {}

    def track(service: str, began: float, ended: float) -> int:
        """The first track of a service that is free from `began` on."""
        ends = lanes.setdefault(service, [])
        lane = next((k for k, end in enumerate(ends) if end <= began), len(ends))
        ends[lane : lane + 1] = [ended]
        return tracks.setdefault((service, lane), _TRACKS + len(tracks))

    for service, protocol, began, ended, stages, inside in sorted(front["requests"], key=lambda request: request[2]):
        number = next(numbers)
        tid = track(service, began, ended)
        args = {"request": number, "protocol": protocol}
        yield _slice(pid, tid, service, "request", (began - zero, ended - zero), args)
        nested, beside = _nested(stages, began, ended)
        places = [(stage, tid) for stage in nested] + [(stage, track(service, *stage[1:3])) for stage in beside]
        for (name, from_, to, rows), at in places:
            about = {"request": number, **({"rows": rows} if rows else {})}
            yield _slice(pid, at, name, "stage", (from_ - zero, to - zero), about)
        for (name, _, to, _), at in [*places, *((stage, tid) for stage in inside)]:
            if name == "queue":  # it ends when the batch begins
                arrow = {"ph": "s", "pid": pid, "tid": at, "ts": _us(to - zero), "cat": "batch", "name": "batch"}
                arrivals.setdefault((pid, to), []).append((number, arrow))
    order = {key: k for k, key in enumerate(sorted(tracks))}
    for (service, lane), tid in tracks.items():
        title = service if lane == 0 else f"{service} ({lane + 1})"
        yield _meta(pid, tid, "thread_name", name=title)
        yield _meta(pid, tid, "thread_sort_index", sort_index=order[service, lane])


def _nested(stages: Sequence[Any], began: float, ended: float) -> tuple[list[Any], list[Any]]:
    """The stages that lie inside each other or apart, as slices of a track must, and those that overlap.

    All lie in the request: stages that were told in other clocks may stick out by some microseconds.
    """
    told = [(name, max(from_, began), max(began, min(to, ended)), rows) for name, from_, to, rows in stages if from_]
    nested: list[Any] = []
    beside: list[Any] = []
    open_until = [ended]
    for stage in sorted(told, key=lambda stage: (stage[1], -stage[2])):
        while len(open_until) > 1 and open_until[-1] <= stage[1]:
            open_until.pop()
        if stage[2] <= open_until[-1]:
            open_until.append(stage[2])
            nested.append(stage)
        else:
            beside.append(stage)
    return nested, beside


def _failures(front: Mapping[str, Any], zero: float) -> Iterator[Event]:
    for service, protocol, at, err_no in front["failures"]:
        said = {"service": service, "protocol": protocol, "err_no": err_no}
        yield {
            "ph": "i", "s": "p", "pid": front["pid"], "tid": 0, "ts": _us(at - zero),
            "cat": "failure", "name": f"failed: {service}", "args": said,
        }  # fmt: skip


def _engine(
    pid: int,
    title: str,
    runs: Sequence[Any],
    zero: float,
    arrivals: Mapping[tuple[int, float], Sequence[tuple[int, Event]]],
) -> Iterator[Event]:
    """The batches of an engine, each once, and how many requests waited."""
    yield from _named(pid, f"engine {title}", _FIRST_ENGINE)
    yield _meta(pid, _RUNS, "thread_name", name="runs")
    steps = [(sent - zero, 1) for _, _, sent, *_ in runs]
    for members in _batches(runs):
        _, _, _, _, batch_ms, run_ms, rows = members[0]
        start = _started(members[0]) - zero
        steps += [(start, -1)] * len(members)
        arrows = [arrow for key in {(run[0], _started(run)) for run in members} for arrow in arrivals.get(key, ())]
        args = {"rows": rows, "requests": sorted({number for number, _ in arrows})}
        end = start + run_ms / 1000
        yield _slice(pid, _RUNS, f"{rows} row{'s' if rows > 1 else ''}", "batch", (start, end), args)
        yield _slice(pid, _RUNS, "infer", "stage", (start + batch_ms / 1000, end), {"rows": rows})
        for number, arrow in arrows:
            name = f"{number}.{pid}.{arrow['ts']}"
            yield {**arrow, "id": name}
            yield {**arrow, "id": name, "ph": "f", "bp": "e", "pid": pid, "tid": _RUNS, "ts": _us(start)}
    waiting = 0
    for moment, change in sorted(steps):
        waiting += change
        yield {"ph": "C", "pid": pid, "ts": _us(moment), "name": "waiting", "args": {"requests": waiting}}


def _batches(runs: Sequence[Any]) -> Iterator[list[Any]]:
    """Runs that were one: they began together, took exactly as long and had as many rows."""
    together: list[Any] = []
    for run in sorted(runs, key=_started):
        is_same = together and run[4:] == together[0][4:] and _started(run) - _started(together[0]) < _SAME_BATCH_S
        if together and not is_same:
            yield together
            together = []
        together.append(run)
    if together:
        yield together


def _started(run: Any) -> float:
    """When the batch of a run began: exactly what `engine.interface` computes for the end of the stage `queue`."""
    return float(run[2] + run[3] / 1000)


def _slice(pid: int, tid: int, name: str, category: str, ends: tuple[float, float], args: Event) -> Event:
    began, ended = map(_us, ends)
    return {
        "ph": "X", "pid": pid, "tid": tid, "ts": began, "dur": round(max(0.0, ended - began), 3),
        "cat": category, "name": name, "args": args,
    }  # fmt: skip


def _named(pid: int, name: str, order: int) -> Iterator[Event]:
    yield _meta(pid, 0, "process_name", name=name)
    yield _meta(pid, 0, "process_sort_index", sort_index=order)


def _meta(pid: int, tid: int, name: str, /, **args: object) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "name": name, "args": args}


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 3)
