"""What comes of a contest: who is chosen of those that were timed, and the plan that says so."""

import time
from collections.abc import Sequence
from statistics import median

from paddle_serving_app.choosing import contestant, kept_plans
from paddle_serving_app.choosing import plan as plans
from paddle_serving_app.choosing.contestant import AS_GOOD, Contestant
from paddle_serving_app.choosing.field import MANY, Field, is_reference
from paddle_serving_app.choosing.plan import Engines, Measurement, Plan, Skipped

_NEAR, _NEAR_MS = 1.05, 0.05
"""Within this part, or these milliseconds, of the fastest, memory counts for more than time."""
_MUCH_MEMORY = 1.25
"""Who takes more than this times as much as the lightest is left for it."""
_DISTURBED = 3.0
"""How many times as long as the quietest turn the worst may take."""
_ENGINES_S = 1.0
_FRONT_MS = 0.1
"""A front takes about this long for a small request: an engine that is as fast needs no other beside it."""


def plan(field: Field, reference: Contestant, skipped: Sequence[Skipped]) -> Plan:
    """Whom to choose, and what was measured; `skipped` are those that were not even started."""
    ranked = sorted(field.inside(), key=lambda rival: rival.cost())
    chosen = best(ranked)
    others = [rival for rival in ranked if rival is not chosen]
    table = tuple(
        Measurement(r.candidate, rows, r.time(rows), "chosen" if r is chosen and rows == r.rows else "")
        for r in (chosen, *others)
        for rows in sorted({1, *r.ms})
    )
    return Plan(
        candidate=chosen.candidate,
        max_rows=chosen.rows if len(chosen.ms) > 1 else 0,  # where batches were not tried, nobody knows
        engines=_best_engines(field, chosen) if field.effort.is_thorough else None,
        why=_why(chosen, others, reference),
        table=table,
        skipped=(*skipped, *field.out()),
        versions=kept_plans.versions(),
        cpu=kept_plans.cpu_name(),
        seconds=round(time.monotonic() - field.started, 1),
        doubt=_doubt(field, chosen),
    )


def best(ranked: Sequence[Contestant]) -> Contestant:
    """Of those that are as fast as the fastest but for a little: who takes much less memory, then fewer threads."""
    fastest = ranked[0].cost()
    near = [rival for rival in ranked if rival.cost() <= max(_NEAR * fastest, fastest + _NEAR_MS)]
    sizes = {rival.candidate: rival.memory_bytes() for rival in near}
    light = [rival for rival in near if sizes[rival.candidate] <= _MUCH_MEMORY * min(sizes.values())]
    as_good = [rival for rival in light if rival.cost() <= AS_GOOD * light[0].cost()]
    return min(as_good, key=lambda rival: (rival.candidate.threads, rival.cost()))


def _doubt(field: Field, chosen: Contestant) -> str:
    """Why a quieter machine might choose otherwise."""
    if field.were_late:
        return "a library had not loaded the model in time"
    turns = chosen.ms.get(1, [])
    if turns and max(turns) > _DISTURBED * min(turns):
        return f"the machine was busy while it was measured: one run took {min(turns):.3g} to {max(turns):.3g} ms"
    return ""


def _best_engines(field: Field, chosen: Contestant) -> Engines | None:
    """How many engines beside each other, of how many threads, answer the most lone rows in a second."""
    if chosen.time() <= _FRONT_MS:
        return Engines(1, chosen.candidate.threads, round(1000 / chosen.time(), 1))
    tried = []
    for like in [rival for rival in field.inside() if rival.candidate.library == chosen.candidate.library]:
        count = max(1, field.cores // like.candidate.threads)
        others = field.start([like.candidate] * (count - 1), time.monotonic() + field.effort.seconds)
        command: dict[str, object] = {"do": "run", "feed": str(field.feed(1)), "answer": "", "runs": MANY}
        together = [like, *others]
        for rival in together:
            rival.tell({**command, "seconds": _ENGINES_S})
        patience = 2 * _ENGINES_S + 10 * like.time() / 1000
        contestant.gather(together, time.monotonic() + patience, field.watch_memory)
        rates = [1000 / median(rival.reply["ms"]) for rival in together if "ms" in rival.reply]
        if len(rates) == count:
            tried.append(Engines(count, like.candidate.threads, round(sum(rates), 1)))
        for rival in others:
            field.leave(rival)
    return max(tried, key=lambda engines: engines.rows_per_s, default=None)


def _why(chosen: Contestant, others: Sequence[Contestant], reference: Contestant) -> str:
    """One line: how fast, and how much faster than the next library and than what Paddle Serving did."""
    words = [f"{plans.shown_ms(chosen.time())} ms for one row"]
    rival = next((other for other in others if other.candidate.library != chosen.candidate.library), None)
    if rival is not None:
        words.append(_times(rival.cost() / chosen.cost(), rival.candidate.library))
    if is_reference(reference.candidate) and reference not in (chosen, rival):
        words.append(_times(reference.time() / chosen.time(), "Paddle Serving's default"))
    if chosen.rows > 1:
        words.append(
            f"batches of {chosen.rows} give {chosen.time() / chosen.row_time(chosen.rows):.2g} times as many rows"
        )
    return ", ".join(words)


def _times(ratio: float, other: str) -> str:
    return f"{ratio:.2g} times as fast as {other}" if round(ratio, 1) > 1 else f"as fast as {other}"
