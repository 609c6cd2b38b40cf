"""The field: all contestants of one contest, started beside each other, told what to do, and watched."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

from paddle_serving_app import processors, tensor_file
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import contestant
from paddle_serving_app.choosing.contestant import Contestant
from paddle_serving_app.choosing.effort import Effort
from paddle_serving_app.choosing.plan import Candidate, Skipped
from paddle_serving_client.message import Array

AS_LATE = 4.0
"""How many times as long as the first to be loaded the others may take."""
MANY = 10_000
"""Runs: as many as fit in the time."""

_LOADING_S = 60.0
"""How long is waited where nothing is loaded yet: loading is not measured, and takes long on a busy machine."""
_MEMORY_PART = 0.8
"""Part of the free memory that all candidates together may take."""


class Field:
    """The contestants, those that are out among them."""

    def __init__(
        self, folder: Path, options: ModelOptions, effort: Effort, command: Sequence[str], scratch: Path
    ) -> None:
        self.folder = folder
        self.options = options
        self.effort = effort
        self.started = time.monotonic()
        """When the contest began."""
        self.scratch = scratch
        """Where feeds and answers go."""
        self.cores = options.threads or processors.available()
        self.all: list[Contestant] = []
        self.loading_s = 0.0
        """How long the slowest of those took that were loaded last."""
        self.were_late = False
        """Whether somebody was left behind who had not loaded the model in time."""
        self._command = tuple(command)
        self._memory = _MEMORY_PART * processors.free_memory_bytes()

    def start(self, candidates: Sequence[Candidate], until: float) -> list[Contestant]:
        """Load them, beside each other: this is not timed. Returns those that can."""
        started = [Contestant(candidate, self._command, self.scratch) for candidate in candidates]
        self.all += started
        for rival in started:
            options = rival.candidate.options(self.options)
            if is_reference(rival.candidate):
                options = replace(options, precision="fp32")
            rival.tell({"do": "load", "folder": str(self.folder), "options": asdict(options)})
        begun = time.monotonic()
        late = contestant.gather(started, until, self.watch_memory)
        if late and not self.inside(but=late):
            late = contestant.gather(late, begun + max(_LOADING_S, self.effort.seconds), self.watch_memory)
        elif late and (times := [r.answered_at - begun for r in started if r.is_in and r not in late]):
            # Where the first took long, the machine is slow, and the others are not given up for that.
            late = contestant.gather(late, begun + AS_LATE * min(times), self.watch_memory)
        self.were_late |= bool(late)
        for rival in late:
            rival.drop(f"not loaded within {time.monotonic() - begun:.0f} s")
        for rival in started:
            rival.joins = bool(rival.reply.get("joins"))
            if rival.is_in and rival.candidate.onednn and not rival.reply.get("onednn", True):
                rival.drop("oneDNN lacks something of it, so that it runs without")
        inside = [rival for rival in started if rival.is_in]
        self.loading_s = max((rival.answered_at - begun for rival in inside), default=0.0)
        return inside

    def inside(self, but: Sequence[Contestant] = ()) -> list[Contestant]:
        """Those that can still be chosen."""
        return [rival for rival in self.all if rival.is_in and rival not in but]

    def out(self) -> list[Skipped]:
        """Those that are out, and why."""
        return [Skipped(rival.candidate, rival.reason) for rival in self.all if not rival.is_in]

    def leave(self, rival: Contestant) -> None:
        """End one, of whom nothing is said any more."""
        rival.end()
        self.all.remove(rival)

    def end(self) -> None:
        """End every process."""
        for rival in self.all:
            rival.end()

    def feed(self, rows: int) -> Path:
        """Where the feed of so many rows lies that is timed."""
        return self.scratch / f"feed-{rows}.npz"

    def run(
        self, rival: Contestant, rows: int, patience: float, *, runs: int, seconds: float, answer: str = ""
    ) -> float | None:
        """Milliseconds of a run, the median of some; the first after a pause does not count where there are more."""
        wanted = {"do": "run", "feed": str(self.feed(rows)), "answer": answer, "runs": runs, "seconds": seconds}
        if not self.ask(rival, wanted, patience):
            return None
        taken: list[float] = rival.reply["ms"]
        return median(taken[1:] or taken)

    def answer_to(self, rival: Contestant, feed: Path, patience: float) -> list[Array] | None:
        """Its outputs for a feed; None: it is out."""
        file = self.scratch / "answer.npz"
        wanted = {"do": "run", "feed": str(feed), "answer": str(file), "runs": 1, "seconds": 0.0}
        return list(tensor_file.read(file).arrays) if self.ask(rival, wanted, patience) else None

    def ask(self, rival: Contestant, wanted: dict[str, object], patience: float | None = None) -> bool:
        """Tell one something, and wait for its `reply`, for so many seconds; whoever gives none is out: false."""
        patience = self.effort.seconds if patience is None else patience
        rival.tell(wanted)
        for silent in contestant.gather([rival], time.monotonic() + patience, self.watch_memory):
            silent.drop(f"no answer within {patience:.0f} s")
        return rival.is_in

    def watch_memory(self) -> None:
        """Drop the largest where all together take too much."""
        sizes = [rival.memory_bytes() for rival in self.inside()]
        if sum(sizes) > self._memory:
            largest = self.inside()[sizes.index(max(sizes))]
            largest.drop(f"takes {max(sizes) >> 20} MiB, more than there is memory for")


def is_reference(candidate: Candidate) -> bool:
    """Whether it is Paddle without oneDNN, whose answers are right."""
    return candidate.library == "paddle"
