"""Freed memory is kept for the next request, and given back when there is much of it and nobody uses it.

By default the C library gives the memory of large arrays back to the system as soon as they are freed, and the next
request pays for every page of it again: a page costs as much as copying it. What it keeps it gives back from the end of
its memory only: one small thing that lies there and lives on holds a gigabyte of freed pictures before it.
"""

import asyncio
import ctypes
import logging
from typing import Final

logger = logging.getLogger(__name__)

KEPT_BYTES = 64 << 20
"""How much free memory a process keeps."""
MUCH_BYTES = 2 * KEPT_BYTES
"""From here on it is given back."""
_LOOK_S = 3.0
_ALIKE_BYTES = 1 << 20
"""By how much free memory changes while nothing large is worked on."""
_MOST_LOOKS = 20
"""After so many in a row that found much, it is given back also while large things are worked on."""
_LARGEST_KEPT_BYTES = 32 << 20
"""Larger pieces are given back one by one; the C library allows no more."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 and later, in bytes."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def keep_freed_memory() -> None:
    """Call once, before there are threads. Without effect on systems whose C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        logger.debug("this C library has no mallopt")
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
    mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(_M_ARENA_MAX, 1)  # what one thread has freed another one uses


class FreedMemory:
    """What the C library keeps of what was freed.

    Raises:
        OSError: this C library cannot be asked.
    """

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL(None)
            self._ask, self._trim = library.mallinfo2, library.malloc_trim
        except AttributeError as exc:
            raise OSError("this C library has no mallinfo2") from exc
        self._ask.restype = _MallInfo
        self._trim.argtypes = [ctypes.c_size_t]
        self._before = 0
        self._looks = 0
        self._left_bytes = 0
        """What was free after the last time: the C library counts what it gave back as free, too."""

    @property
    def free_bytes(self) -> int:
        """How much of the memory that the C library has from the system is not in use."""
        return int(self._ask().fordblks)

    def is_to_be_given_back(self) -> bool:
        """Whether there is much, and nothing large has been worked on since the last look, or for many looks."""
        free = self.free_bytes
        is_quiet = abs(free - self._before) < _ALIKE_BYTES
        is_much = free > MUCH_BYTES and abs(free - self._left_bytes) >= _ALIKE_BYTES
        self._looks = self._looks + 1 if is_much else 0
        self._before = free
        return bool(self._looks) and (is_quiet or self._looks > _MOST_LOOKS)

    def give_back(self) -> None:
        """All but `KEPT_BYTES`; takes some 0.1 s for each gigabyte, in which no other thread gets memory."""
        self._looks = 0
        self._trim(KEPT_BYTES)
        self._left_bytes = self.free_bytes


async def give_back_freed_memory() -> None:
    """Look after it for as long as the event loop runs."""
    try:
        freed: Final = FreedMemory()
    except OSError as exc:
        logger.debug("freed memory is kept: %s", exc)
        return
    while True:
        await asyncio.sleep(_LOOK_S)
        if freed.is_to_be_given_back():
            before = freed.free_bytes
            await asyncio.to_thread(freed.give_back)
            logger.debug("gave up to %d MB of freed memory back", before >> 20)
