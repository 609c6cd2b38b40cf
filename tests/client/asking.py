"""One way to ask for tests of both clients of services: the blocking one, and that of an event loop."""

import asyncio
from collections.abc import Generator
from typing import Any

from paddle_serving_client import aio, connect
from paddle_serving_client.services.client import Services


class Asking:
    """A client, whichever."""

    def __init__(self, url: str, is_async: bool, has_rpc: bool = True, **options: Any) -> None:
        self.loop = asyncio.new_event_loop() if is_async else None
        try:
            self.client: Any = self.run(self._made(url, **options)) if is_async else connect(url, **options)
        except BaseException:
            if self.loop is not None:
                self.loop.close()
            raise
        if not has_rpc:
            self.client._core._has_rpc = False

    def run(self, awaitable: Any) -> Any:
        assert self.loop is not None
        return self.loop.run_until_complete(awaitable)

    async def _made(self, url: str, **options: Any) -> aio.AsyncServices:
        return await aio.connect(url, **options)

    def __call__(self, name: str, *given: Any, **options: Any) -> Any:
        """Call a service."""
        answer = self.client[name](*given, **options)
        return answer if isinstance(self.client, Services) else self.run(answer)

    def parts(self, name: str, **options: Any) -> Generator[Any, None, None]:
        """Call a service whose answer comes in parts."""
        stream = self.client[name].stream(**options)
        if isinstance(self.client, Services):
            yield from stream
            return
        try:
            while True:
                try:
                    yield self.run(anext(stream))
                except StopAsyncIteration:
                    return
        finally:
            self.run(stream.aclose())

    def close(self) -> None:
        """Close it, and the loop."""
        if self.loop is None:
            self.client.close()
        else:
            self.run(self.client.close())
            self.loop.close()
