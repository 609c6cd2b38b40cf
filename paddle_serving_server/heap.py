"""Freed memory is kept for the next request.

By default the C library gives the memory of large arrays back to the system as soon as they are freed, and the next
request pays for every page of it again: a page costs as much as copying it.
"""

import ctypes
import logging

logger = logging.getLogger(__name__)

KEPT_BYTES = 64 << 20
"""How much free memory a process keeps."""
_LARGEST_KEPT_BYTES = 32 << 20
"""Larger pieces are given back one by one; the C library allows no more."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


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
