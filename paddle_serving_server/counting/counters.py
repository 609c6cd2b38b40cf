"""Counts that every front adds to and any front can read: plain numbers in shared memory.

Each process of a server writes in a region of its own, so nothing is locked; a reader adds the regions up. When a
front dies, the one that takes its place takes its region too and counts on, so that no sum ever goes back.

    counters = Counters()                                   # of this process alone; a server shares memory
    series = counters.series("request", service="uci", protocol="http")
    series.add(us=850, now=time.monotonic(), bytes_in=120, bytes_out=80)
    counters.count("failures", service="uci", err_no="5000").add()
    counters.read().series
"""

import fcntl
import json
import logging
import mmap
import os
from collections.abc import Mapping
from typing import Final

from paddle_serving_server.counting.series import INSIDE, VALUES, Series
from paddle_serving_server.counting.sums import Counted, Key, SeriesSum

logger = logging.getLogger(__name__)

_HEAD_BYTES = 4096
_SIZES, _LOST = 3, 2
_SERIES_KEY_BYTES, _SERIES_BYTES, _MAX_SERIES = 512, 12_288, 4096
_COUNT_KEY_BYTES, _COUNT_BYTES, _MAX_COUNTS = 248, 256, 16_384
_COUNTS_AT = _HEAD_BYTES + _MAX_SERIES * _SERIES_BYTES
REGION_BYTES: Final = _COUNTS_AT + _MAX_COUNTS * _COUNT_BYTES
"""Of one process; the kernel gives it the pages that are written to, and no others."""
_MAX_LABEL = 128
GAUGE: Final = "now:"
"""Begins the kind of a count that goes up and down; it is zero again in a new process."""


MOST: Final = "most:"
"""Begins the kind of a count of which the largest of all processes is meant, not the sum."""


class Count:
    """One number."""

    __slots__ = ("_value",)

    def __init__(self, value: memoryview) -> None:
        self._value = value

    def add(self, n: int = 1) -> None:
        """Count on."""
        self._value[0] += n

    def set(self, n: int) -> None:
        """Say how many there are now."""
        self._value[0] = n

    def raise_to(self, n: int) -> None:
        """Keep the largest."""
        if n > self._value[0]:
            self._value[0] = n


class Counters:
    """The counts of one process, next to those of the others."""

    def __init__(self, file: str = "") -> None:
        """Take the first region of shared memory that no living process has.

        Args:
            file: where it is, from `shared_memory`; empty for memory of this process alone.
        """
        self._fd = os.open(file, os.O_RDWR | os.O_CLOEXEC) if file else -1
        size = os.fstat(self._fd).st_size if file else REGION_BYTES
        self._memory = memoryview(mmap.mmap(self._fd, size))
        start = _claim(self._fd, size) if file else 0
        self._mine = self._memory[start : start + REGION_BYTES]
        self._sizes = self._mine[: 8 * _SIZES].cast("q")
        """How many series and counts there are; a reader looks at no more. And how many found no room."""
        self._series = {key: Series(values) for key, values in _series_in(self._mine)}
        self._counts = {key: Count(value) for key, value in _counts_in(self._mine)}
        for _, values in _series_in(self._mine):
            values[INSIDE] = 0
        for key, count in self._counts.items():
            if key[0].startswith(GAUGE):
                count.set(0)

    def series(self, kind: str, /, **labels: str) -> Series:
        """The series of that kind and labels, made when it is new."""
        key = _key(kind, labels)
        if key not in self._series:
            place = self._place(key, 0, _MAX_SERIES, _HEAD_BYTES, _SERIES_BYTES, _SERIES_KEY_BYTES)
            self._series[key] = Series(place[: 8 * VALUES].cast("q"))
        return self._series[key]

    def count(self, kind: str, /, **labels: str) -> Count:
        """The count of that kind and labels, made when it is new."""
        key = _key(kind, labels)
        if key not in self._counts:
            place = self._place(key, 1, _MAX_COUNTS, _COUNTS_AT, _COUNT_BYTES, _COUNT_KEY_BYTES)
            self._counts[key] = Count(place.cast("q"))
        return self._counts[key]

    def read(self, now: float) -> Counted:
        """Add up what all processes have counted."""
        found = Counted()
        for start in range(0, len(self._memory), REGION_BYTES):
            region = self._memory[start : start + REGION_BYTES]
            found.lost += region[: 8 * _SIZES].cast("q")[_LOST]
            for key, values in _series_in(region):
                found.series.setdefault(key, SeriesSum()).add(values, now)
            for key, value in _counts_in(region):
                before = found.counts.get(key, 0)
                found.counts[key] = max(before, value[0]) if key[0].startswith(MOST) else before + value[0]
        return found

    def _place(self, key: Key, which: int, most: int, base: int, size: int, key_size: int) -> memoryview:
        """Room for the values of a new key; beyond what fits, room that nobody reads."""
        text = json.dumps(key).encode()
        number = self._sizes[which]
        if number >= most or len(text) > key_size:
            self._sizes[_LOST] += 1
            logger.warning("%s is not counted: there is no more room for counts", text.decode())
            return memoryview(bytearray(size - key_size))
        start = base + number * size
        self._mine[start : start + len(text)] = text
        self._sizes[which] = number + 1
        return self._mine[start + key_size : start + size]


def shared_memory(processes: int) -> tuple[int, str]:
    """Memory for the counts of so many processes, and the name under which those find it that inherit it.

    It is on no disk: writing to a page of a mapped file that the disk has no room for ends a process.

    Returns:
        A file descriptor, to be handed to every child, and the name for `Counters`.
    """
    fd = os.memfd_create("counters", os.MFD_CLOEXEC)
    os.truncate(fd, processes * REGION_BYTES)
    return fd, f"/proc/self/fd/{fd}"


def _claim(fd: int, size: int) -> int:
    """Lock a region; the kernel unlocks it when this process ends."""
    for start in range(0, size, REGION_BYTES):
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        except OSError:
            continue
        return start
    raise OSError("every region for counts is taken")


def _key(kind: str, labels: Mapping[str, str]) -> Key:
    return kind, tuple((name, value[:_MAX_LABEL]) for name, value in labels.items())


def _series_in(region: memoryview) -> list[tuple[Key, memoryview]]:
    count = region[:16].cast("q")[0]
    places = (
        region[at : at + _SERIES_BYTES] for at in range(_HEAD_BYTES, _HEAD_BYTES + count * _SERIES_BYTES, _SERIES_BYTES)
    )
    return [(_read_key(p[:_SERIES_KEY_BYTES]), p[_SERIES_KEY_BYTES:][: 8 * VALUES].cast("q")) for p in places]


def _counts_in(region: memoryview) -> list[tuple[Key, memoryview]]:
    count = region[:16].cast("q")[1]
    places = (
        region[at : at + _COUNT_BYTES] for at in range(_COUNTS_AT, _COUNTS_AT + count * _COUNT_BYTES, _COUNT_BYTES)
    )
    return [(_read_key(p[:_COUNT_KEY_BYTES]), p[_COUNT_KEY_BYTES:].cast("q")) for p in places]


def _read_key(raw: memoryview) -> Key:
    kind, labels = json.loads(bytes(raw).rstrip(b"\0"))
    return kind, tuple((name, value) for name, value in labels)
