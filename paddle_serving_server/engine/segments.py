"""Shared memory between a front and an engine: anonymous files that a front makes, fills and reuses.

A front owns its segments. The engine maps each once and writes outputs behind the inputs where there is room, so that
a crash on either side leaves nothing behind: the kernel frees a segment when the last process that maps it is gone.
"""

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddle_serving_client.errors import Busy
from paddle_serving_client.message import Array

ALIGN = 64
"""Tensors start at multiples of this, a cache line and the width of the widest vector unit."""
_SMALLEST = 1 << 18
_KEPT_FREE_BYTES = 256 << 20
"""Free segments beyond this are given back to the system."""


def aligned(offset: int) -> int:
    """The next multiple of `ALIGN`."""
    return (offset + ALIGN - 1) & -ALIGN


def layout(arrays: Sequence[Array], start: int = 0) -> tuple[list[int], int]:
    """Where each array goes from `start` on, and where the last one ends."""
    offsets = []
    end = start
    for array in arrays:
        offsets.append(aligned(end))
        end = offsets[-1] + array.nbytes
    return offsets, end


def write(memory: "mmap.mmap | bytearray", arrays: Sequence[Array], offsets: Sequence[int]) -> None:
    """Copy arrays to their places: the one copy that a tensor makes on its way."""
    for array, offset in zip(arrays, offsets, strict=True):
        np.ndarray(array.shape, array.dtype, memory, offset)[...] = array


@dataclass(slots=True, eq=False)
class Segment:
    """One piece of shared memory."""

    number: int
    size: int
    fd: int
    memory: mmap.mmap


def create(number: int, size: int) -> Segment:
    """Make a segment of `size` bytes; its file descriptor is closed on exec."""
    fd = os.memfd_create(f"paddle-serving-{number}", os.MFD_CLOEXEC)
    os.ftruncate(fd, size)
    return Segment(number, size, fd, mmap.mmap(fd, size))


def attach(number: int, size: int, fd: int) -> Segment:
    """Map a segment that another process made; takes over `fd`."""
    return Segment(number, size, fd, mmap.mmap(fd, size))


def discard(segment: Segment) -> None:
    """Let go of a segment; the memory is unmapped when the last array on it is gone."""
    os.close(segment.fd)


class SegmentPool:
    """The segments of one front towards one engine."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._total = 0
        self._free: list[Segment] = []
        self._made = 0

    def take(self, size: int) -> Segment:
        """A segment of at least `size` bytes that nobody else uses.

        Raises:
            Busy: the segments in use fill the memory allowed.
        """
        for k, segment in enumerate(self._free):
            if segment.size >= size:
                return self._free.pop(k)
        rounded = max(_SMALLEST, 1 << (size - 1).bit_length())
        while self._free and self._total + rounded > self._max_bytes:
            self._forget(self._free.pop())
        if self._total + rounded > self._max_bytes:
            raise Busy(f"requests in work fill the {self._max_bytes >> 20} MiB of shared memory; try again later")
        self._made += 1
        self._total += rounded
        return create(self._made, rounded)

    def give_back(self, segment: Segment) -> None:
        """Make a segment free for the next request."""
        self._free.append(segment)
        self._free.sort(key=lambda s: s.size)
        while sum(s.size for s in self._free) > _KEPT_FREE_BYTES:
            self._forget(self._free.pop())

    def close(self) -> None:
        """Let go of the free segments."""
        while self._free:
            self._forget(self._free.pop())

    def _forget(self, segment: Segment) -> None:
        self._total -= segment.size
        discard(segment)
