"""The search for the best batch, delay and number of fronts: a server for each setting, load on it, and why.

One thing at a time, in the order in which things matter: batches without a delay, then delays with the best batch, then
fronts with both. That is a dozen servers where all combinations would be a hundred. For each setting the number of
clients grows until 99 of 100 answers are slower than the target: the rate before that is what the setting is worth.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from paddle_serving_server.commands.load import generator
from paddle_serving_server.commands.load.amount import Load
from paddle_serving_server.commands.load.display import ms, rate
from paddle_serving_server.commands.load.request import Payload, Target, services_of
from paddle_serving_server.commands.load.served import HOST, serving
from paddle_serving_server.commands.load.tally import Result

CLIENTS = (1, 4, 16, 64)
"""Numbers of connections that are tried, one after the other."""
NOISE = 0.03
"""Least difference of two rates that counts, as a share; a simpler setting wins within it."""


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What is varied, simplest first."""

    fronts: int
    wait_ms: float
    batch: int

    @property
    def flags(self) -> tuple[str, ...]:
        """For `serve`."""
        batch, wait, fronts = str(self.batch), f"{self.wait_ms:g}", str(self.fronts)
        return ("--batch_infer_size", batch, "--batch_wait_ms", wait, "--fronts", fronts)


@dataclass(frozen=True, slots=True)
class Run:
    """One setting with one number of clients."""

    clients: int
    result: Result

    def keeps(self, target_p99_s: float | None) -> bool:
        """Whether all went well, and fast enough."""
        latency = self.result.latency
        return latency is not None and not self.result.errors and (target_p99_s is None or latency.p99 <= target_p99_s)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a setting gave."""

    setting: Setting
    runs: tuple[Run, ...]

    def best(self, target_p99_s: float | None) -> Run | None:
        """The most that it gives within the target; with fewer clients, where more give no more."""
        good = [run for run in self.runs if run.keeps(target_p99_s)]
        most = max((run.result.rate for run in good), default=0.0)
        return next((run for run in good if run.result.rate >= most * (1 - NOISE)), None)


Served = Callable[[Setting], AbstractContextManager[Target]]
"""A server with a setting, as long as the block lasts, and where requests go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried."""

    served: Served
    payload: Callable[[Target], Payload]
    load: Load
    clients: tuple[int, ...]
    batches: tuple[int, ...]
    waits_ms: tuple[float, ...]
    fronts: tuple[int, ...]
    target_p99_s: float | None
    words: Callable[[Setting], str] = lambda setting: " ".join(setting.flags)
    """A setting, as it is given to a server."""


def started(serve_flags: Sequence[str], path: str) -> Served:
    """A server of one's own for each setting.

    Args:
        serve_flags: all others.
        path: of the requests; empty: of the server's first service.
    """

    @contextlib.contextmanager
    def served(setting: Setting) -> Iterator[Target]:
        at = serve_flags.index("--") if "--" in serve_flags else len(serve_flags)
        with serving((*serve_flags[:at], *setting.flags, *serve_flags[at:])) as port:
            target = Target(HOST, port)
            yield replace(target, path=path or f"/{services_of(target)[0]['name']}/prediction")

    return served


def run(plan: Plan, say: Callable[[str], None]) -> list[Tried]:
    """Try the settings, in the order of the search.

    Raises:
        NotStarted: the server cannot start so. BadConfig: there is nothing to send.
    """
    found: list[Tried] = []

    def try_all(settings: Sequence[Setting]) -> Setting:
        for setting in settings:
            if all(setting != tried.setting for tried in found):
                found.append(_tried(plan, setting))
                say(_line(plan, found[-1]))
        return (best(plan, found) or _quickest(found)).setting

    say(_HEAD)
    at = try_all([Setting(min(plan.fronts), min(plan.waits_ms), batch) for batch in sorted(plan.batches)])
    if at.batch > 1:
        at = try_all([replace(at, wait_ms=wait_ms) for wait_ms in sorted(plan.waits_ms)])
    try_all([replace(at, fronts=fronts) for fronts in sorted(plan.fronts)])
    return found


def best(plan: Plan, found: Sequence[Tried]) -> Tried | None:
    """The setting that gives most within the target; of those that differ by noise only, the simplest."""
    worth = {tried.setting: _worth(plan, tried) for tried in found}
    most = max(worth.values(), default=0.0)
    if not most:
        return None
    return min((t for t in found if worth[t.setting] >= most * (1 - NOISE)), key=lambda t: t.setting)


def advice(plan: Plan, found: Sequence[Tried]) -> str:
    """What to use, and why."""
    chosen = best(plan, found)
    if chosen is None:
        quickest = _quickest(found)
        latency = quickest.runs[0].result.latency
        if latency is None:
            kinds = ", ".join(quickest.runs[0].result.errors) or "silence"
            return f"\nNo setting answers: {kinds}"
        return (
            f"\nNo setting keeps 99 of 100 answers within {_target(plan)}. The quickest is {_named(quickest.setting)}: "
            f"p99 {ms(latency.p99)} with {quickest.runs[0].clients} clients. Allow more time, or make the work smaller."
        )
    top = chosen.best(plan.target_p99_s)
    assert top is not None
    assert top.result.latency is not None
    lines = [
        f"\nUse {plan.words(chosen.setting)}",
        f"  It answers {rate(top.result.rate)} a second with {top.clients} clients, "
        f"p50 {ms(top.result.latency.p50)}, p99 {ms(top.result.latency.p99)}.",
    ]
    for called, as_rival in _REASONS:
        rivals = [t for t in found if t.setting != chosen.setting and as_rival(t.setting, chosen.setting) == t.setting]
        lines += [f"  {called(t.setting)}: {_against(plan, t, top.result.rate)}" for t in rivals]
    if top.clients == max(plan.clients) and len(plan.clients) > 1:
        lines.append(f"  More than {top.clients} clients were not tried; the rate may still grow with them.")
    lines.append(f"  Differences below {NOISE:.0%} count as noise; the simpler setting wins then.")
    return "\n".join(lines)


def as_json(plan: Plan, found: Sequence[Tried]) -> dict[str, object]:
    """For a file."""
    chosen = best(plan, found)
    runs = [
        {
            "fronts": tried.setting.fronts,
            "batch_wait_ms": tried.setting.wait_ms,
            "batch_infer_size": tried.setting.batch,
            "clients": one.clients,
            "keeps_target": one.keeps(plan.target_p99_s),
            **one.result.as_json(),
        }
        for tried in found
        for one in tried.runs
    ]
    target_ms = plan.target_p99_s * 1000 if plan.target_p99_s is not None else None
    return {"target_p99_ms": target_ms, "best": plan.words(chosen.setting).split() if chosen else None, "runs": runs}


_HEAD = "fronts  wait ms  batch   clients      rate/s       p50       p99"

_REASONS: tuple[tuple[Callable[[Setting], str], Callable[[Setting, Setting], Setting]], ...] = (
    (lambda rival: f"Batches up to {rival.batch}", lambda rival, chosen: replace(chosen, batch=rival.batch)),
    (lambda rival: f"Waiting {rival.wait_ms:g} ms", lambda rival, chosen: replace(chosen, wait_ms=rival.wait_ms)),
    (lambda rival: f"{rival.fronts} fronts", lambda rival, chosen: replace(chosen, fronts=rival.fronts)),
)
"""What a rival that differs in one thing is called, and how it is recognised."""


def _tried(plan: Plan, setting: Setting) -> Tried:
    runs: list[Run] = []
    with plan.served(setting) as target:
        payload = plan.payload(target)
        for clients in sorted(plan.clients):
            runs.append(Run(clients, generator.run(target, payload, replace(plan.load, clients=clients))))
            if not runs[-1].keeps(plan.target_p99_s):
                break
    return Tried(setting, tuple(runs))


def _worth(plan: Plan, tried: Tried) -> float:
    top = tried.best(plan.target_p99_s)
    return top.result.rate if top else 0.0


def _quickest(found: Sequence[Tried]) -> Tried:
    """Where nothing keeps the target: what comes closest."""

    def p99(tried: Tried) -> float:
        latency = tried.runs[0].result.latency
        return latency.p99 if latency else float("inf")

    return min(found, key=p99)


def _line(plan: Plan, tried: Tried) -> str:
    top = tried.best(plan.target_p99_s)
    shown = top or tried.runs[0]
    latency = shown.result.latency
    p50, p99 = (ms(latency.p50), ms(latency.p99)) if latency else ("-", "-")
    fronts, wait, batch = tried.setting.fronts, tried.setting.wait_ms, tried.setting.batch
    numbers = f"{fronts:>6}  {wait:>7g}  {batch:>5}  {shown.clients:>8}  {rate(shown.result.rate):>10}"
    too_slow = "" if top else f"  over {_target(plan)}"
    note = f"  {shown.result.failed} errors" if shown.result.errors else too_slow
    return f"{numbers}  {p50:>8}  {p99:>8}{note}"


def _against(plan: Plan, rival: Tried, most: float) -> str:
    worth = _worth(plan, rival)
    return f"{worth / most - 1:+.0%}" if worth else f"no answers within {_target(plan)}"


def _named(setting: Setting) -> str:
    return f"batch {setting.batch}, wait {setting.wait_ms:g} ms, {setting.fronts} front{'s' * (setting.fronts > 1)}"


def _target(plan: Plan) -> str:
    return ms(plan.target_p99_s) if plan.target_p99_s is not None else "any time"
