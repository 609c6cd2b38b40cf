"""Answers that were given before, kept by what was asked: `--request_cache_size`.

A request is known by a strong digest of the engine and its version, the checked feed and the outputs wanted. Requests
for the same that are under way share one run. Only answers are kept, never errors; those unused longest leave first.
"""

import asyncio
import hashlib
import math
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from paddle_serving_app.signature import Arranged
from paddle_serving_client import byte_strings
from paddle_serving_client.errors import Busy, DeadlineExceeded, ServingError
from paddle_serving_client.message import Array
from paddle_serving_server.counting.counters import GAUGE, Counters
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.wrapper import Wrapper

HITS: Final = "cache_hits"
SHARED: Final = "cache_shared"
"""Requests that waited for the run of an equal one."""
MISSES: Final = "cache_misses"
BYTES: Final = GAUGE + "cache_bytes"
MAX_INPUT_BYTES: Final = 4 << 20
"""Inputs beyond this are always run: to make their digest would keep other requests waiting for milliseconds."""
_ENTRY_BYTES = 512
"""What an entry takes beside its arrays."""


class Cache:
    """The answers of all engines of a process, within one budget."""

    def __init__(self, max_bytes: int, counters: Counters) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, Reply] = OrderedDict()
        self._bytes = 0
        self._gauge = counters.count(BYTES)
        self.hits = counters.count(HITS)
        self.shared = counters.count(SHARED)
        self.misses = counters.count(MISSES)

    def get(self, key: bytes) -> Reply | None:
        """The answer kept under a key."""
        reply = self._entries.get(key)
        if reply is not None:
            self._entries.move_to_end(key)
        return reply

    def put(self, key: bytes, reply: Reply) -> None:
        """Keep an answer; one that is larger than a tenth of the budget is not worth what would have to leave."""
        size = _size_of(reply)
        if size * 10 > self._max_bytes or key in self._entries:
            return
        self._entries[key] = reply
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= _size_of(self._entries.popitem(last=False)[1])
        self._gauge.set(self._bytes)


class CachedEngine(Wrapper):
    """An engine that does not run twice for the same."""

    def __init__(self, engine: Engine, cache: Cache, name: str) -> None:
        """Answer from `cache`; `name` tells this engine from the others that use it."""
        super().__init__(engine)
        self._cache = cache
        self._name = name
        self._under_way: dict[bytes, asyncio.Future[Reply]] = {}

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        started = time.monotonic()
        version = self.inner.version
        if sum(array.nbytes for array in arranged.arrays) > MAX_INPUT_BYTES:
            return await self.inner.run(arranged, outputs, context)
        key = digest(self._name, version, arranged, outputs)
        if (known := self._cache.get(key)) is not None:
            self._cache.hits.add()
            return _handed_out(known, started)
        if key not in self._under_way:
            self._cache.misses.add()
            return await self._run_for_all(key, version, arranged, outputs, context, started)
        self._cache.shared.add()
        while (running := self._under_way.get(key)) is not None:
            await asyncio.wait(
                [running], timeout=None if context.deadline == math.inf else max(0.0, context.deadline - started)
            )
            if not running.done():
                raise DeadlineExceeded("the model did not answer within the time given")
            if not running.cancelled():
                return _handed_out(running.result(), started)
        # Whoever ran it was called off or had less time than we have: now it is our turn.
        if self.inner.version != version:
            raise Busy("the model was exchanged while this request waited for an equal one; try again")
        return await self._run_for_all(key, version, arranged, outputs, context, time.monotonic())

    async def _run_for_all(
        self, key: bytes, version: str, arranged: Arranged, outputs: Sequence[int], context: Context, started: float
    ) -> Reply:
        """Run, and give the answer, or what went wrong, to everybody who asks the same meanwhile."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_seen)
        self._under_way[key] = future
        try:
            asked = time.monotonic()
            reply = await self.inner.run(arranged, outputs, context)
            came = time.monotonic()
            kept = replace(reply, arrays=_copies(reply.arrays))
            if self.inner.version == version:
                self._cache.put(key, kept)
            future.set_result(kept)
            return replace(reply, cache_ms=(asked - started + time.monotonic() - came) * 1000)
        except DeadlineExceeded:
            raise
        except ServingError as exc:
            future.set_exception(exc)
            raise
        finally:
            future.cancel()
            del self._under_way[key]


def digest(name: str, version: str, arranged: Arranged, outputs: Sequence[int]) -> bytes:
    """What a request asks for, in 32 bytes."""
    kinds = [(array.dtype.str, array.shape) for array in arranged.arrays]
    said = repr((name, version, tuple(outputs), kinds, sorted(arranged.lods.items())))
    found = hashlib.blake2b(said.encode(), digest_size=32)
    for array in arranged.arrays:
        if array.dtype.hasobject:
            array = byte_strings.pack(array)
        found.update(array.view(np.uint8).data if array.ndim else array.tobytes())
    return found.digest()


def _handed_out(reply: Reply, started: float) -> Reply:
    """An answer for one more caller, who may write into it."""
    ms = (time.monotonic() - started) * 1000
    return replace(reply, arrays=_copies(reply.arrays), queue_ms=0.0, run_ms=ms, is_cached=True, cache_ms=ms)


def _copies(arrays: Sequence[Array]) -> tuple[Array, ...]:
    return tuple(array.copy() for array in arrays)


def _size_of(reply: Reply) -> int:
    return _ENTRY_BYTES + sum(map(_bytes_of, reply.arrays))


def _bytes_of(array: Array) -> int:
    """In memory; of strings each object and what is in it."""
    return array.nbytes + (sum(map(sys.getsizeof, array.flat)) if array.dtype.hasobject else 0)


def _seen(future: "asyncio.Future[Reply]") -> None:
    """An error that nobody waits for is no news: the one who ran has it."""
    if not future.cancelled():
        future.exception()
