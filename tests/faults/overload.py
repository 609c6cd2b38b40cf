"""More requests than can be answered: what can be answered is, and the rest hears so at once."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from paddle_serving_server.commands.load.request import Target
from tests import models
from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.faults.open_loop import closed_loop, open_loop, quantile
from tests.serving import ROOT, Server, serve

_STEPS = str(ROOT / "tests/faults/services/steps.py")
_TIMEOUT_S = 2.0
_PADDING = "x" * 20_000
"""Makes a request large enough for kept ones to show in memory."""
_BODY = json.dumps({"feed": [{"padding": _PADDING}], "fetch": []})


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """1.5, 2 and 5 times what a service can do, with steps that compute, steps that wait, and a model that computes."""
    seconds = 4.0 if brief else 20.0
    factors = (2.0,) if brief else (1.5, 2.0, 5.0)
    with serve(folder, "--service", _STEPS, "--request_timeout_ms", f"{_TIMEOUT_S * 1000:g}") as server:
        for name in ("busy", "asleep"):
            yield from _overload(
                server, name, f'{{"feed": [{{"padding": "{_PADDING}"}}], "fetch": []}}', factors, seconds
            )
    model = models.heavy(folder / "heavy")
    one_row = ("--batch_infer_size", "1")  # or the more wait, the more it can do
    timeout = ("--request_timeout_ms", f"{_TIMEOUT_S * 1000:g}")
    with _apart() as go, serve(folder, f"heavy={model}", *one_row, *timeout) as server:
        go()
        yield from _overload(server, "heavy", json.dumps({"feed": [{"x": [0.5] * 13}]}), factors, seconds)


@contextlib.contextmanager
def _apart() -> Iterator[Callable[[], None]]:
    """The server on all processors but the last, and the load, after the call, on that one: it takes no part of them.

    A model computes on every processor that it has; steps in Python have but one.
    """
    every = os.sched_getaffinity(0)
    *server, load = sorted(every)
    try:
        os.sched_setaffinity(0, server or every)
        yield lambda: os.sched_setaffinity(0, {load})
    finally:
        os.sched_setaffinity(0, every)


def _overload(server: Server, name: str, body: str, factors: tuple[float, ...], seconds: float) -> Iterator[Figure]:
    target = Target("127.0.0.1", server.port, f"/{name}/prediction")
    request = target.post(body.encode(), "application/json")
    closed_loop(server.port, request, 8, 1.0)
    can = closed_loop(server.port, request, 8, seconds / 2).rate
    before = processes.memory_mb(server)
    for factor in factors:
        outcome = open_loop(server.port, request, can * factor, seconds)
        what = f"{name}, {factor:g} times the {can:.0f}/s it can do"
        part, refused_ms = (0.95, 20.0) if factor <= 2 else (0.85, 100.0)  # to say no takes the interpreter, too
        yield least(f"{what}: good answers", outcome.rate / can, part, "of that", is_rough=True)
        yield most(f"{what}: answered, p99", quantile(outcome.good, 0.99), _TIMEOUT_S + 0.5, "s", is_rough=True)
        yield most(f"{what}: refused, p99", quantile(outcome.refused, 0.99) * 1000, refused_ms, "ms", is_rough=True)
        yield least(f"{what}: refusals", len(outcome.refused), 1, "answers")
        yield most(f"{what}: without an answer, or with an odd one", outcome.lost + len(outcome.failed), 0, "requests")
        yield most(f"{what}: memory", processes.memory_mb(server) / before, 1.10, "of before", is_rough=True)
