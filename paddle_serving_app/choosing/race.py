"""Who is fast: contestants take turns, a few runs each, so that what else the machine does hits all alike.

The clearly slower drop out early. For those that are left, fewer threads are tried where runs are short, and larger
batches while the rows per second still grow.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paddle_serving_app import tensor_file
from paddle_serving_app.choosing.contestant import AS_GOOD, Contestant
from paddle_serving_app.choosing.field import AS_LATE, MANY, Field
from paddle_serving_app.choosing.judge import Judge

_RACE_PART = 0.3
"""Part of the time that is kept for the race, however long loading took."""
_TURN_RUNS = 2.5
_LONGEST_TURN_S = 0.5
"""Of a slow model; one run is always made."""
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
_SHORT_MS = 5.0
"""Up to this, threads may cost more than they bring."""
_FEED_BYTES = 256 << 20
"""Largest batch that is tried."""


class Race:
    """All that is timed, until the time is up."""

    def __init__(self, field: Field, judge: Judge, until: float) -> None:
        """`until` is on the clock of `time.monotonic`."""
        self._field = field
        self._judge = judge
        # However long loading and comparing took, something is left for the race.
        self._until = max(until, time.monotonic() + _RACE_PART * field.effort.seconds)

    def run(self, reference: Contestant) -> None:
        """Time them as they are, then with fewer threads, then in batches; `reference` says who is right then."""
        self._race(self._field.inside())
        self._try_threads(reference)
        self._try_batches()

    def _race(self, rivals: Sequence[Contestant]) -> None:
        """Let them take turns until the order is clear, or the time is up."""
        for rival in rivals:
            self._look_again(rival, min(other.time() for other in rivals))
        for number in range(self._field.effort.rounds):
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
            ms = self._field.run(rival, 1, 1.0 + 10 * seconds, runs=3, seconds=seconds)
            rival.first_ms = min(rival.first_ms, math.inf if ms is None else ms)

    def _turn(self, rival: Contestant, rows: int) -> float | None:
        """A few runs of one candidate, in milliseconds each; None when the time is up, or the candidate is out."""
        if time.monotonic() > self._until or not rival.is_in:
            return None
        expected = min(rival.row_time(rival.rows) * rows / 1000, self._field.effort.seconds)
        wanted = max(self._field.effort.turn_s, min(_TURN_RUNS * expected, _LONGEST_TURN_S))
        ms = self._field.run(rival, rows, 1.0 + 10 * (wanted + expected), runs=MANY, seconds=wanted)
        if ms is not None:
            rival.ms.setdefault(rows, []).append(ms)
        return ms

    def _try_threads(self, reference: Contestant) -> None:
        """Fewer threads, for those that have a chance."""
        best = min((rival.time() for rival in self._field.inside()), default=math.inf)
        if self._field.options.threads or self._field.options.gpu_id is not None:
            return
        if best > _SHORT_MS and not self._field.effort.is_thorough:
            return
        counts = {1, self._field.cores // 2} if self._field.effort.is_thorough else {1}
        rivals = [rival for rival in self._field.inside() if rival.time() <= _STILL_A_CHANCE * best]
        fewer = [replace(r.candidate, threads=n) for r in rivals for n in sorted(counts) if 0 < n < self._field.cores]
        if fewer and time.monotonic() < self._until:
            begun = time.monotonic()
            started = self._field.start(fewer, max(self._until, begun + AS_LATE * self._field.loading_s))
            for rival in started:
                self._judge.check(rival, reference)
            self._until += time.monotonic() - begun
            self._race([*rivals, *started])

    def _try_batches(self) -> None:
        """Larger batches, while the rows per second grow; one size that brings nothing may lie between."""
        if not self._judge.gives_rows:
            return
        rivals = sorted((rival for rival in self._field.inside() if rival.joins), key=lambda rival: rival.time())
        rivals = [rival for rival in rivals if rival.time() <= _STILL_A_CHANCE * rivals[0].time()]
        best: dict[str, float] = {}
        for rival in rivals:
            best.setdefault(rival.candidate.library, rival.time())
        # Who is slower with fewer threads at one row is so at more.
        rivals = [rival for rival in rivals if rival.time() <= AS_GOOD * best[rival.candidate.library]]
        misses = dict.fromkeys(rivals if self._field.effort.is_thorough else rivals[:_MOST_IN_BATCHES], 0)
        rows = 2
        while rows <= self._field.effort.max_rows and misses and self._has_feed(rows):
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
        one, file = tensor_file.read(self._field.feed(1)), self._field.feed(rows)
        if one.lods or sum(array.nbytes for array in one.arrays) * rows > _FEED_BYTES:
            return False
        if not file.exists():
            tensor_file.write(file, [np.concatenate([array] * rows) for array in one.arrays], {})
        return True


def _is_clear(running: Sequence[Contestant]) -> bool:
    if len(running) < 2:
        return True
    first, second = sorted(running, key=lambda rival: rival.time())[:2]
    return max(first.ms[1]) < _CLEAR_LEAD * min(second.ms[1])
