"""All ways to run a model, tried against each other: who can, who is right, who is fast.

Every candidate is loaded by a process of its own (`trial`), which can crash, hang or eat memory without harm. All get
the same made-up inputs; whose outputs differ from those of Paddle without oneDNN by more than the tolerance is out.
Then they take turns, a few runs each, so that what else the machine does hits all alike, and who waits is stopped. The
clearly slower drop out early. For those that are left, fewer threads are tried where runs are short, and larger batches
while the rows per second still grow.
"""

import contextlib
import logging
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import NamedTuple, cast

import numpy as np

from paddle_serving_app import backends, paddle_to_onnx, processors, progress, tensor_file
from paddle_serving_app.backend import ModelOptions, Plugin
from paddle_serving_app.choosing import agreement, contestant, objections, samples
from paddle_serving_app.choosing import plan as plans
from paddle_serving_app.choosing.contestant import Contestant
from paddle_serving_app.choosing.plan import Candidate, Engines, Measurement, Plan, Skipped
from paddle_serving_app.choosing.samples import Style
from paddle_serving_client import model_config, plugins
from paddle_serving_client.errors import BadModel, MissingLibrary
from paddle_serving_client.message import Array

logger = logging.getLogger(__name__)

ORDER = ("paddle", "onnxruntime", "openvino")
"""Which library is asked first where nothing was measured; those that are not named come after them."""

_RACE_PART = 0.3
"""Part of the time that is kept for the race, however long loading took."""
_PATIENCE_PART = 0.3
"""Part of the time that one candidate may take to answer, before it counts as hanging."""
_LOADING_S = 60.0
"""How long is waited where nothing is loaded yet: loading is not measured, and takes long on a busy machine."""
_MEMORY_PART = 0.8
"""Part of the free memory that all candidates together may take."""
_TURN_RUNS = 2.5
_LONGEST_TURN_S = 0.5
"""Of a slow model; one run is always made."""
_MANY = 10_000
_HOPELESSLY_SLOWER = 6.0
_SECOND_LOOK_PART = 0.1
"""Part of the time that is left for whom the first look made seem hopeless."""
_CLEARLY_SLOWER = 2.5
"""Who takes so many times as long is not timed any further: at first, and once there were some turns."""
_STILL_A_CHANCE = 1.6
"""Who takes so many times as long for one row may still be the best in batches, or with fewer threads."""
_CLEAR_LEAD = 0.9
"""The order is clear when the slowest turn of the first took this part of the fastest of the second."""
_LEAST_ROUNDS = 3
_MOST_IN_BATCHES = 3
_GAIN = 0.95
"""A batch twice as large has to bring the time of a row down to this part."""
_AS_GOOD = 1.03
"""Within this, fewer threads are better: they leave the processors to pre- and postprocessing."""
_NEAR, _NEAR_MS = 1.05, 0.05
"""Within this part, or these milliseconds, of the fastest, memory counts for more than time."""
_MUCH_MEMORY = 1.25
"""Who takes more than this times as much as the lightest is left for it."""
_DISTURBED = 3.0
"""How many times as long as the quietest turn the worst may take."""
_AS_LATE = 4.0
"""How many times as long as the first to be loaded the others may take."""
_SHORT_MS = 5.0
"""Up to this, threads may cost more than they bring."""
_ENGINES_S = 1.0
_FRONT_MS = 0.1
"""A front takes about this long for a small request: an engine that is as fast needs no other beside it."""
_SHAKES = 4
"""How often it is looked what other last digits change: a label between two equal scores falls to either side."""
_JOINED_STYLES: Sequence[Sequence[Style]] = (("signed", "wide"), ("whole", "plain"))
"""Of the rows of a feed, where rows do not see each other."""
_FEED_BYTES = 256 << 20
"""Largest batch that is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure, and how closely."""

    seconds: float = 10.0
    """For all candidates together, loading included; a third more where loading takes long."""
    turn_s: float = 0.06
    """Of one candidate, before the next one's."""
    rounds: int = 5
    max_rows: int = 32
    is_thorough: bool = False
    """Fewer threads for slow models too, and several engines beside each other."""


THOROUGH = Effort(seconds=60.0, turn_s=0.25, rounds=9, max_rows=64, is_thorough=True)


def measure(
    folder: Path, options: ModelOptions, effort: Effort, command: Sequence[str] = contestant.COMMAND
) -> Plan | None:
    """Try every candidate and make a plan.

    Args:
        folder: the model folder.
        options: what was asked for, without a backend; a number of threads is kept.
        effort: how long, and how closely.
        command: what a candidate is tried by.

    Returns:
        None where no candidate could be tried; the log says why.
    """
    if sys.platform == "win32":
        return None
    logger.info("%s: measuring what runs it fastest, for about %.0f s", folder, effort.seconds)
    progress.step(f"measuring what runs it fastest, for about {effort.seconds:.0f} s")
    with tempfile.TemporaryDirectory(prefix="paddle_serving_measuring_") as scratch, contextlib.ExitStack() as stack:
        contest = _Contest(folder.resolve(), options, effort, tuple(command), Path(scratch))
        stack.callback(contest.end)
        return contest.hold()


def in_order(names: Sequence[str]) -> list[str]:
    """Backends in the order in which they are asked where nothing was measured."""
    return [*(name for name in ORDER if name in names), *(name for name in names if name not in ORDER)]


class _Probe(NamedTuple):
    """A feed whose answers are compared."""

    feed: Path
    may_be_shaken: bool = True
    """Whether its last digits say nothing: not where equal values are what it is for."""


class _Contest:
    """All candidates of one model, from the start of their processes to the plan."""

    def __init__(
        self, folder: Path, options: ModelOptions, effort: Effort, command: tuple[str, ...], scratch: Path
    ) -> None:
        self._folder = folder
        self._options = options
        self._effort = effort
        self._command = command
        self._scratch = scratch
        self._all: list[Contestant] = []
        self._skipped: list[Skipped] = []
        self._started = time.monotonic()
        self._until = self._started + effort.seconds
        self._memory = _MEMORY_PART * processors.free_memory_bytes()
        self._cores = options.threads or processors.available()
        self._probes: list[_Probe] = []
        """What is compared; the first two are timed too."""
        self._loading_s = 0.0
        """How long the slowest of those took that were loaded last."""
        self._were_late = False
        """Whether somebody was left behind who had not loaded the model in time."""
        self._answers: list[list[Array]] = []
        """What the reference gives for each of them."""
        self._shaken: dict[Path, list[list[Array]]] = {}
        """What it gives for one whose last digits are others, where that was asked for."""

    def hold(self) -> Plan | None:
        """Have them compete."""
        self._convert()
        self._until = time.monotonic() + self._effort.seconds
        self._start(list(self._candidates()), self._until)
        if (reference := self._reference()) is None:
            for skipped in self._out():
                logger.warning("%s: %s cannot be tried: %s", self._folder, skipped.candidate, skipped.reason)
            return None
        for rival in self._inside(but=[reference]):
            self._check(rival, reference)
        # However long loading and comparing took, something is left for the race.
        self._until = max(self._until, time.monotonic() + _RACE_PART * self._effort.seconds)
        self._race(self._inside())
        self._try_threads(reference)
        self._try_batches()
        return self._plan(reference)

    def end(self) -> None:
        """End every process."""
        for rival in self._all:
            rival.end()

    def _convert(self) -> None:
        """Have the ONNX form of a Paddle program made before anybody is waited for; who cannot use it says why."""
        if paddle_to_onnx.refuses(self._folder) is None:
            with contextlib.suppress(BadModel, MissingLibrary):
                paddle_to_onnx.onnx_of(self._folder)

    # -- who takes part

    def _candidates(self) -> Iterator[Candidate]:
        spec = model_config.read(self._folder)
        for name in in_order(plugins.names(backends)):
            plugin = cast(Plugin, plugins.load(backends, name))
            reason = plugin.missing() or plugin.refuses(self._folder, spec)
            reason = reason or "; ".join(objections.against(name, self._folder))
            if reason:
                self._skipped.append(Skipped(Candidate(name, False, self._cores), reason))
                continue
            if name == "paddle" and self._options.onednn and self._options.gpu_id is None:
                with_onednn = Candidate(name, True, self._cores)
                if reason := "; ".join(objections.against(name, self._folder, onednn=True)):
                    self._skipped.append(Skipped(with_onednn, reason))
                else:
                    yield with_onednn
            yield Candidate(name, False, self._cores)

    def _start(self, candidates: Sequence[Candidate], until: float) -> list[Contestant]:
        """Load them, beside each other: this is not timed. Returns those that can."""
        started = [Contestant(candidate, self._command, self._scratch) for candidate in candidates]
        self._all += started
        for rival in started:
            options = rival.candidate.options(self._options)
            if _is_reference(rival.candidate):
                options = replace(options, precision="fp32")
            rival.tell({"do": "load", "folder": str(self._folder), "options": asdict(options)})
        begun = time.monotonic()
        late = contestant.gather(started, until, self._watch_memory)
        if late and not self._inside(but=late):
            late = contestant.gather(late, begun + max(_LOADING_S, self._effort.seconds), self._watch_memory)
        elif late and (times := [r.answered_at - begun for r in started if r.is_in and r not in late]):
            # Where the first took long, the machine is slow, and the others are not given up for that.
            late = contestant.gather(late, begun + _AS_LATE * min(times), self._watch_memory)
        self._were_late |= bool(late)
        for rival in late:
            rival.drop(f"not loaded within {time.monotonic() - begun:.0f} s")
        for rival in started:
            rival.joins = bool(rival.reply.get("joins"))
            if rival.is_in and rival.candidate.onednn and not rival.reply.get("onednn", True):
                rival.drop("oneDNN lacks something of it, so that it runs without")
        inside = [rival for rival in started if rival.is_in]
        self._loading_s = max((rival.answered_at - begun for rival in inside), default=0.0)
        return inside

    def _inside(self, but: Sequence[Contestant] = ()) -> list[Contestant]:
        return [rival for rival in self._all if rival.is_in and rival not in but]

    def _out(self) -> list[Skipped]:
        return self._skipped + [Skipped(rival.candidate, rival.reason) for rival in self._all if not rival.is_in]

    # -- who is right

    def _reference(self) -> Contestant | None:
        """Who says what is right: Paddle without oneDNN, else the first that can; with its answers to all probes."""
        for rival in sorted(self._inside(), key=lambda r: not _is_reference(r.candidate)):
            self._probes = [_Probe(self._feed(rows)) for rows in (2, 1)]
            is_fed = all(
                self._ask(rival, {"do": "sample", "rows": rows, "seed": rows, "feed": str(self._feed(rows))})
                for rows in (1, 2)
            )
            if is_fed and (answers := self._answer(rival, self._effort.seconds)) is not None:
                self._answers = answers
                return self._probe(rival)
        return None

    def _probe(self, reference: Contestant) -> Contestant | None:
        """Have the reference find feeds that can show a difference, and answer them."""
        styles = _JOINED_STYLES if reference.joins else [[style] for style in samples.STYLES[1:]]
        for number, row_styles in enumerate(styles):
            feed = self._scratch / f"probe-{number}.npz"
            said: dict[str, object] = {"do": "probe", "styles": row_styles, "seed": number, "feed": str(feed)}
            if self._ask(reference, said) and reference.reply["tells"]:
                answer = self._answer_to(reference, feed, self._effort.seconds)
                if answer is not None:
                    self._probes.append(_Probe(feed, "whole" not in row_styles))
                    self._answers.append(answer)
            if not reference.is_in:  # it did not survive that one: it begins again, and others do not get it
                self._all.remove(reference)
                self._start([reference.candidate], math.inf)
                reference = self._all[-1]
                if not reference.is_in or self._answer(reference, self._effort.seconds) is None:
                    return None
        return reference

    def _check(self, rival: Contestant, reference: Contestant) -> None:
        patience = max(_PATIENCE_PART * self._effort.seconds, 10 * reference.first_ms / 1000)
        if (answers := self._answer(rival, patience)) is None:
            return
        tolerance = agreement.TOLERANCE[self._options.precision]
        distance = max(self._distance(k, answer, tolerance, reference) for k, answer in enumerate(answers))
        if distance > tolerance:
            how = (
                "gives other outputs than"
                if math.isinf(distance)
                else f"differs by {distance:.2g} of the largest value from"
            )
            rival.drop(f"{how} {reference.candidate.library}; {tolerance:g} is allowed")

    def _distance(self, k: int, answer: list[Array], tolerance: float, reference: Contestant) -> float:
        """How far an answer is off; where the last digits of the inputs decide, both may be right."""
        expected, precision = self._answers[k], self._options.precision
        distance = agreement.distance(answer, expected, precision, by_row=reference.joins)
        if distance > tolerance and self._probes[k].may_be_shaken:
            shaken = self._shaken_answers(self._probes[k].feed, reference)
            return agreement.distance(answer, expected, precision, by_row=reference.joins, shaken=shaken)
        return distance

    def _shaken_answers(self, feed: Path, reference: Contestant) -> list[list[Array]]:
        if feed not in self._shaken:
            self._shaken[feed] = []
            to = self._scratch / "shaken.npz"
            for seed in range(_SHAKES):
                if self._ask(reference, {"do": "shake", "feed": str(feed), "seed": seed, "to": str(to)}):
                    answer = self._answer_to(reference, to, self._effort.seconds)
                    self._shaken[feed] += [] if answer is None else [answer]
        return self._shaken[feed]

    def _answer(self, rival: Contestant, patience: float) -> list[list[Array]] | None:
        """Its outputs for all probes, and a first impression of its speed; None: it is out."""
        answers = []
        for rows in (2, 1):
            file = self._scratch / "answer.npz"
            ms = self._run(rival, rows, patience, runs=2, seconds=self._effort.turn_s, answer=str(file))
            if ms is None:
                return None
            rival.first_ms = ms
            answers.append(list(tensor_file.read(file).arrays))
        for probe in self._probes[2:]:
            if (answer := self._answer_to(rival, probe.feed, patience)) is None:
                return None
            answers.append(answer)
        return answers

    def _answer_to(self, rival: Contestant, feed: Path, patience: float) -> list[Array] | None:
        file = self._scratch / "answer.npz"
        said = {"do": "run", "feed": str(feed), "answer": str(file), "runs": 1, "seconds": 0.0}
        return list(tensor_file.read(file).arrays) if self._ask(rival, said, patience) else None

    # -- who is fast

    def _race(self, rivals: Sequence[Contestant]) -> None:
        """Let them take turns until the order is clear, or the time is up."""
        for rival in rivals:
            self._look_again(rival, min(other.time() for other in rivals))
        for number in range(self._effort.rounds):
            best = min((rival.time() for rival in rivals if rival.is_in), default=math.inf)
            too_slow = best * (_HOPELESSLY_SLOWER if number < _LEAST_ROUNDS - 1 else _CLEARLY_SLOWER)
            running = [rival for rival in rivals if rival.is_in and rival.time() <= too_slow]
            if number >= _LEAST_ROUNDS and _is_clear(running):
                return
            for rival in running:
                if self._turn(rival, 1) is None and time.monotonic() > self._until:
                    return

    def _look_again(self, rival: Contestant, best: float) -> None:
        """Who seems hopeless may have been disturbed: a few more runs, where that costs little."""
        seconds = 2 * rival.first_ms / 1000
        is_hopeless = rival.is_in and not rival.ms and rival.time() > _HOPELESSLY_SLOWER * best
        if is_hopeless and seconds < _SECOND_LOOK_PART * (self._until - time.monotonic()):
            ms = self._run(rival, 1, 1.0 + 10 * seconds, runs=3, seconds=seconds)
            rival.first_ms = min(rival.first_ms, math.inf if ms is None else ms)

    def _turn(self, rival: Contestant, rows: int) -> float | None:
        """A few runs of one candidate, in milliseconds each; None when the time is up, or the candidate is out."""
        if time.monotonic() > self._until or not rival.is_in:
            return None
        expected = min(rival.row_time(rival.rows) * rows / 1000, self._effort.seconds)
        wanted = max(self._effort.turn_s, min(_TURN_RUNS * expected, _LONGEST_TURN_S))
        ms = self._run(rival, rows, 1.0 + 10 * (wanted + expected), runs=_MANY, seconds=wanted)
        if ms is not None:
            rival.ms.setdefault(rows, []).append(ms)
        return ms

    def _try_threads(self, reference: Contestant) -> None:
        """Fewer threads, for those that have a chance."""
        best = min((rival.time() for rival in self._inside()), default=math.inf)
        if self._options.threads or self._options.gpu_id is not None:
            return
        if best > _SHORT_MS and not self._effort.is_thorough:
            return
        counts = {1, self._cores // 2} if self._effort.is_thorough else {1}
        rivals = [rival for rival in self._inside() if rival.time() <= _STILL_A_CHANCE * best]
        fewer = [replace(r.candidate, threads=n) for r in rivals for n in sorted(counts) if 0 < n < self._cores]
        if fewer and time.monotonic() < self._until:
            begun = time.monotonic()
            started = self._start(fewer, max(self._until, begun + _AS_LATE * self._loading_s))
            for rival in started:
                self._check(rival, reference)
            self._until += time.monotonic() - begun
            self._race([*rivals, *started])

    def _try_batches(self) -> None:
        """Larger batches, while the rows per second grow; one size that brings nothing may lie between."""
        if any(answer.ndim == 0 or len(answer) != 2 for answer in self._answers[0]):
            return  # not one row of output for one of input
        rivals = sorted((rival for rival in self._inside() if rival.joins), key=lambda rival: rival.time())
        rivals = [rival for rival in rivals if rival.time() <= _STILL_A_CHANCE * rivals[0].time()]
        best: dict[str, float] = {}
        for rival in rivals:
            best.setdefault(rival.candidate.library, rival.time())
        # Who is slower with fewer threads at one row is so at more.
        rivals = [rival for rival in rivals if rival.time() <= _AS_GOOD * best[rival.candidate.library]]
        misses = dict.fromkeys(rivals if self._effort.is_thorough else rivals[:_MOST_IN_BATCHES], 0)
        rows = 2
        while rows <= self._effort.max_rows and misses and self._has_feed(rows):
            for rival in list(misses):
                is_timed = self._compare(rival, rows)
                doublings = math.log2(rows / rival.rows)
                if is_timed and rival.row_time(rows) <= _GAIN**doublings * rival.row_time(rival.rows):
                    rival.rows, misses[rival] = rows, 0
                    continue
                misses[rival] += 1
                if not is_timed or misses[rival] > 1:
                    del misses[rival]
            rows *= 2

    def _compare(self, rival: Contestant, rows: int) -> bool:
        """Let a batch of that size and the best one so far take turns; false when the time is up."""
        return all(self._turn(rival, count) is not None for _ in range(_LEAST_ROUNDS) for count in (rival.rows, rows))

    def _has_feed(self, rows: int) -> bool:
        """Make a feed of so many rows from the one that has one; not where it would fill the memory."""
        one, file = tensor_file.read(self._feed(1)), self._feed(rows)
        if one.lods or sum(array.nbytes for array in one.arrays) * rows > _FEED_BYTES:
            return False
        if not file.exists():
            tensor_file.write(file, [np.concatenate([array] * rows) for array in one.arrays], {})
        return True

    # -- the plan

    def _plan(self, reference: Contestant) -> Plan:
        ranked = sorted(self._inside(), key=lambda rival: rival.cost())
        chosen = _best(ranked)
        others = [rival for rival in ranked if rival is not chosen]
        table = tuple(
            Measurement(r.candidate, rows, r.time(rows), "chosen" if r is chosen and rows == r.rows else "")
            for r in (chosen, *others)
            for rows in sorted({1, *r.ms})
        )
        return Plan(
            candidate=chosen.candidate,
            max_rows=chosen.rows if len(chosen.ms) > 1 else 0,  # where batches were not tried, nobody knows
            engines=self._best_engines(chosen) if self._effort.is_thorough else None,
            why=_why(chosen, others, reference),
            table=table,
            skipped=tuple(self._out()),
            versions=plans.versions(),
            cpu=plans.cpu_name(),
            seconds=round(time.monotonic() - self._started, 1),
            doubt=self._doubt(chosen),
        )

    def _doubt(self, chosen: Contestant) -> str:
        """Why a quieter machine might choose otherwise."""
        if self._were_late:
            return "a library had not loaded the model in time"
        turns = chosen.ms.get(1, [])
        if turns and max(turns) > _DISTURBED * min(turns):
            return f"the machine was busy while it was measured: one run took {min(turns):.3g} to {max(turns):.3g} ms"
        return ""

    def _best_engines(self, chosen: Contestant) -> Engines | None:
        """How many engines beside each other, of how many threads, answer the most lone rows in a second."""
        if chosen.time() <= _FRONT_MS:
            return Engines(1, chosen.candidate.threads, round(1000 / chosen.time(), 1))
        self._until = math.inf
        tried = []
        for like in [rival for rival in self._inside() if rival.candidate.library == chosen.candidate.library]:
            count = max(1, self._cores // like.candidate.threads)
            others = self._start([like.candidate] * (count - 1), time.monotonic() + self._effort.seconds)
            said: dict[str, object] = {"do": "run", "feed": str(self._feed(1)), "answer": "", "runs": _MANY}
            together = [like, *others]
            for rival in together:
                rival.tell({**said, "seconds": _ENGINES_S})
            patience = 2 * _ENGINES_S + 10 * like.time() / 1000
            contestant.gather(together, time.monotonic() + patience, self._watch_memory)
            rates = [1000 / median(rival.reply["ms"]) for rival in together if "ms" in rival.reply]
            if len(rates) == count:
                tried.append(Engines(count, like.candidate.threads, round(sum(rates), 1)))
            for rival in others:
                rival.end()
                self._all.remove(rival)
        return max(tried, key=lambda engines: engines.rows_per_s, default=None)

    # -- talking to the processes

    def _feed(self, rows: int) -> Path:
        return self._scratch / f"feed-{rows}.npz"

    def _run(
        self, rival: Contestant, rows: int, patience: float, *, runs: int, seconds: float, answer: str = ""
    ) -> float | None:
        """Milliseconds of a run, the median of some; the first after a pause does not count where there are more."""
        said = {"do": "run", "feed": str(self._feed(rows)), "answer": answer, "runs": runs, "seconds": seconds}
        if not self._ask(rival, said, patience):
            return None
        taken: list[float] = rival.reply["ms"]
        return median(taken[1:] or taken)

    def _ask(self, rival: Contestant, said: dict[str, object], patience: float | None = None) -> bool:
        patience = self._effort.seconds if patience is None else patience
        rival.tell(said)
        for silent in contestant.gather([rival], time.monotonic() + patience, self._watch_memory):
            silent.drop(f"no answer within {patience:.0f} s")
        return rival.is_in

    def _watch_memory(self) -> None:
        sizes = [rival.memory_bytes() for rival in self._inside()]
        if sum(sizes) > self._memory:
            largest = self._inside()[sizes.index(max(sizes))]
            largest.drop(f"takes {max(sizes) >> 20} MiB, more than there is memory for")


def _best(ranked: Sequence[Contestant]) -> Contestant:
    """Of those that are as fast as the fastest but for a little: who takes much less memory, then fewer threads."""
    fastest = ranked[0].cost()
    near = [rival for rival in ranked if rival.cost() <= max(_NEAR * fastest, fastest + _NEAR_MS)]
    sizes = {rival.candidate: rival.memory_bytes() for rival in near}
    light = [rival for rival in near if sizes[rival.candidate] <= _MUCH_MEMORY * min(sizes.values())]
    as_good = [rival for rival in light if rival.cost() <= _AS_GOOD * light[0].cost()]
    return min(as_good, key=lambda rival: (rival.candidate.threads, rival.cost()))


def _is_reference(candidate: Candidate) -> bool:
    return candidate.library == "paddle"


def _is_clear(running: Sequence[Contestant]) -> bool:
    if len(running) < 2:
        return True
    first, second = sorted(running, key=lambda rival: rival.time())[:2]
    return max(first.ms[1]) < _CLEAR_LEAD * min(second.ms[1])


def _why(chosen: Contestant, others: Sequence[Contestant], reference: Contestant) -> str:
    """One line: how fast, and how much faster than the next library and than what Paddle Serving did."""
    words = [f"{plans.shown_ms(chosen.time())} ms for one row"]
    rival = next((other for other in others if other.candidate.library != chosen.candidate.library), None)
    if rival is not None:
        words.append(_times(rival.cost() / chosen.cost(), rival.candidate.library))
    if _is_reference(reference.candidate) and reference not in (chosen, rival):
        words.append(_times(reference.time() / chosen.time(), "Paddle Serving's default"))
    if chosen.rows > 1:
        words.append(
            f"batches of {chosen.rows} give {chosen.time() / chosen.row_time(chosen.rows):.2g} times as many rows"
        )
    return ", ".join(words)


def _times(ratio: float, other: str) -> str:
    return f"{ratio:.2g} times as fast as {other}" if round(ratio, 1) > 1 else f"as fast as {other}"
