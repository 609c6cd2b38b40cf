"""Replies as gzip, for the protocols whose callers take it."""

import asyncio
from typing import Final

from paddle_serving_client.wire import brpc

IN_THREAD_BYTES: Final = 64 << 10
"""Larger replies are compressed in a thread: the event loop has others to serve."""


async def gzipped(message: bytes) -> bytes | None:
    """A reply as gzip, or None where that does not make it smaller or is not worth the time."""
    if len(message) < IN_THREAD_BYTES:
        return brpc.gzipped(message)
    return await asyncio.to_thread(brpc.gzipped, message)
