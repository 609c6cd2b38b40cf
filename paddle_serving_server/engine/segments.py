"""Shared memory between a front and an engine: anonymous files that a front makes, fills and reuses.

A front owns its segments. The engine maps each once and writes outputs behind the inputs where there is room, so that
a crash on either side leaves nothing behind: the kernel frees a segment when the last process that maps it is gone.
"""

import math
import mmap
import os
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from paddle_serving_client.errors import Busy
from paddle_serving_client.message import Array, address_of
from paddle_serving_server.engine.messages import INLINE_BYTES

ALIGN = 64
"""Tensors start at multiples of this, a cache line and the width of the widest vector unit."""
MAX_BYTES = 2 << 30
"""Of one front, for all its engines."""
_ROOM_FOR_OUTPUTS = 4096
"""Behind what user code fills, for outputs of the size of a list of scores."""
_MOST_LENT = 64
_PART_THAT_IS_LENT = 4
"""One part in so many may be lent: user code that keeps arrays leaves the rest to requests."""
_SMALLEST = 1 << 18
_KEPT_FREE_BYTES = 256 << 20
_MOST_KEPT_FREE = 256
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


@dataclass(slots=True, eq=False)
class Lent:
    """A segment behind an array that user code fills."""

    segment: Segment
    address: int
    is_in_use: bool = False
    """Whether an engine reads it, and may write outputs behind what it reads: then for nobody else."""


class SegmentPool:
    """The segments of one front. Who takes one gives it back; who was lent one lets go of the array.

    Arrays are lent to threads that run user code; everything else happens on the front's event loop.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._total = 0
        self._free: list[Segment] = []
        self._made = 0
        self._alive: set[int] = set()
        self.forgotten = 0
        """How many segments are gone for good: who has handed them on looks whether his are among them."""
        self._lent_bytes = 0
        self._lent: dict[int, Lent] = {}
        """By the id of the array that holds a segment."""
        self._returned: deque[Segment] = deque()
        """Of arrays that were let go of: that may happen anywhere, in the middle of anything here too."""
        self._lock = threading.Lock()

    def take(self, size: int) -> Segment:
        """A segment of at least `size` bytes that nobody else uses.

        Raises:
            Busy: the segments in use fill the memory allowed.
        """
        with self._lock:
            return self._take(size)

    def give_back(self, segment: Segment) -> None:
        """Make a segment free for the next request."""
        with self._lock:
            self._put_back(segment)

    def empty(self, shape: tuple[int, ...], kind: DTypeLike) -> Array:
        """As `numpy.empty`, in a segment where that is worth it and there is room: an engine reads it there."""
        size = math.prod(shape) * np.dtype(kind).itemsize
        with self._lock:
            self._collect()
            is_room = self._lent_bytes + size <= self._max_bytes // _PART_THAT_IS_LENT and len(self._lent) < _MOST_LENT
            if size < INLINE_BYTES or not is_room:
                return np.empty(shape, kind)
            try:
                segment = self._take(aligned(size) + _ROOM_FOR_OUTPUTS)
            except Busy:
                return np.empty(shape, kind)
            whole = np.frombuffer(segment.memory, np.uint8)
            self._lent[id(whole)] = Lent(segment, address_of(whole))
            self._lent_bytes += segment.size
            weakref.finalize(whole, self._let_go, id(whole)).atexit = False
        array: Array = whole[:size].view(kind).reshape(shape)
        return array

    def lent(self, array: Array) -> tuple[Lent, int] | None:
        """The segment that an array lies in, and where; None if it lies elsewhere, or an engine reads there already."""
        owner: object = array
        while isinstance(owner, np.ndarray) and isinstance(owner.base, np.ndarray):
            owner = owner.base
        found = self._lent.get(id(owner))
        if found is None or found.is_in_use or (offset := address_of(array) - found.address) % ALIGN:
            return None
        return found, offset

    def has(self, number: int) -> bool:
        """Whether a segment of this number is still there."""
        return number in self._alive

    def close(self) -> None:
        """Let go of the free segments."""
        with self._lock:
            while self._free:
                self._forget(self._free.pop())

    def _let_go(self, owner: int) -> None:
        self._returned.append(self._lent.pop(owner).segment)

    def _take(self, size: int) -> Segment:
        self._collect()
        for k, segment in enumerate(self._free):
            if segment.size >= size:
                return self._free.pop(k)
        rounded = max(_SMALLEST, 1 << (size - 1).bit_length())
        while self._free and self._total + rounded > self._max_bytes:
            self._forget(self._free.pop())
        if self._total + rounded > self._max_bytes:
            raise Busy(f"requests in work fill the {self._max_bytes >> 20} MiB of shared memory; try again later")
        segment = create(self._made + 1, rounded)
        self._made += 1
        self._alive.add(self._made)
        self._total += rounded
        return segment

    def _collect(self) -> None:
        while self._returned:
            segment = self._returned.popleft()
            self._lent_bytes -= segment.size
            self._put_back(segment)

    def _put_back(self, segment: Segment) -> None:
        self._free.append(segment)
        self._free.sort(key=lambda s: s.size)
        while len(self._free) > _MOST_KEPT_FREE or sum(s.size for s in self._free) > _KEPT_FREE_BYTES:
            self._forget(self._free.pop())

    def _forget(self, segment: Segment) -> None:
        self._total -= segment.size
        self._alive.discard(segment.number)
        self.forgotten += 1
        discard(segment)
