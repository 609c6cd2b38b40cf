"""A response that comes in parts: what a step that is a generator gives, one part after the other."""

import contextlib
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, Never

from paddle_serving_client.message import Response

END: Final = object()
"""Stands for the end of a generator: `StopIteration` cannot pass through a future."""


class ServiceParts:
    """See `message.Parts`. What the request holds is let go of at its end, however that comes."""

    def __init__(self, next_part: Callable[[], Awaitable[object]], on_end: Callable[[], None]) -> None:
        """Make responses of what `next_part` gives, until that is `END`; `on_end` is called once."""
        self._next_part = next_part
        self._on_end = on_end
        self._is_over = False

    def __aiter__(self) -> "ServiceParts":
        return self

    async def __anext__(self) -> Response:
        if self._is_over:
            raise StopAsyncIteration
        try:
            part = await self._next_part()
        except BaseException:
            await self.aclose()
            raise
        if part is END:
            await self.aclose()
            raise StopAsyncIteration
        return part if isinstance(part, Response) else Response(result=part)

    async def aclose(self) -> None:
        """No more parts are wanted."""
        if not self._is_over:
            self._is_over = True
            self._on_end()


class Generated:
    """A generator that is run in threads, by one at a time; closing waits for the part that is being made."""

    def __init__(self, generator: Generator[Any, Never, Any]) -> None:
        self._generator = generator
        self._turn = threading.Lock()

    def next(self) -> object:
        """The next part, or `END`."""
        with self._turn:
            return next(self._generator, END)

    def close(self) -> None:
        """Have the generator end where it stands."""
        with self._turn, contextlib.suppress(Exception):  # nobody waits for what it says now
            self._generator.close()
