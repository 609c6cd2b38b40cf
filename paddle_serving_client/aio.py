"""The services of a server as functions on an event loop: the twin of `paddle_serving_client.connect`.

async with aio.connect("http://127.0.0.1:9393") as client:
    price = (await client.uci(x=[...]))["price"]
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from paddle_serving_client.attempts import failure
from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.http_address import HttpAddress, proxy_of, tls_context
from paddle_serving_client.services import core
from paddle_serving_client.services.async_pool import AsyncExchange, AsyncPool
from paddle_serving_client.services.core import DEFAULT_RETRIES, DEFAULT_TIMEOUT_S, MAX_REPLY_BYTES, Core
from paddle_serving_client.services.description import Description
from paddle_serving_client.services.given import Given, fetched, given_by
from paddle_serving_client.services.steps import Advance, Ask, Close, Pause, Step, Steps

__all__ = ["AsyncService", "AsyncServices", "connect"]

_Result = TypeVar("_Result")


def connect(
    url: str,
    *,
    timeout: float = DEFAULT_TIMEOUT_S,
    retries: int = DEFAULT_RETRIES,
    verify: bool | str = True,
    headers: Mapping[str, str] | None = None,
    max_reply_bytes: int = MAX_REPLY_BYTES,
) -> "AsyncServices":
    """A client of a server's services, to be awaited or entered: `await connect(url)`, `async with connect(url) as c`.

    Args and errors are those of `paddle_serving_client.connect`.
    """
    address = HttpAddress.parse(url)
    proxy, tls = proxy_of(address), tls_context(verify) if address.scheme == "https" else None
    known = core.new(address, proxy, timeout, retries, headers, max_reply_bytes)
    return AsyncServices(known, AsyncPool(address, tls, proxy), AsyncPool(address))


class AsyncServices:
    """The services of one server: `await client.NAME(...)`, or `await client["NAME"](...)`. Of one event loop."""

    def __init__(self, known: Core, pool: AsyncPool, rpc_pool: AsyncPool) -> None:
        """Made by `connect`."""
        self._core = known
        self._pools = (pool, rpc_pool)

    @property
    def url(self) -> str:
        """The server."""
        return str(self._core.address)

    @property
    def services(self) -> Mapping[str, Description]:
        """What the server has said of its services, by name; nothing before it was asked."""
        return self._core.services

    async def refresh(self, timeout: float | None = None) -> None:
        """Ask the server again which services it has. By itself that is done when a name is unknown."""
        await self._run(self._core.read_services(self._core.attempts(timeout)))

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        for pool in self._pools:
            await pool.close()

    def __getitem__(self, name: str) -> "AsyncService":
        """A service; whether there is one of that name shows when it is called."""
        return AsyncService(self, name)

    def __getattr__(self, name: str) -> "AsyncService":
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._core.services

    def __iter__(self) -> Iterator[str]:
        return iter(self._core.services)

    def __len__(self) -> int:
        return len(self._core.services)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *filter(str.isidentifier, self._core.services)})

    def __repr__(self) -> str:
        return core.described(self._core)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._connected().__await__()

    async def __aenter__(self) -> Self:
        return await self._connected()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _connected(self) -> Self:
        try:
            await self.refresh()
        except BaseException:
            await self.close()
            raise
        return self

    # -- what the core asks for

    async def _run(self, steps: Steps[_Result]) -> _Result:
        came: Any = None
        error: BaseException | None = None
        while True:
            try:
                step = steps.send(came) if error is None else steps.throw(error)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            came, error = None, None
            try:
                came = await self._do(step)
            except BaseException as exc:  # the steps decide, and close what they have opened
                error = exc

    async def _do(self, step: Step) -> AsyncExchange | None:
        match step:
            case Ask():
                pool = self._pools[step.is_rpc]
                if step.is_open:
                    return await pool.begin(step.message, step.reply, step.deadline, step.timeout_s)
                await pool.exchange(step.message, step.reply, step.deadline, step.timeout_s)
            case Advance():
                await self._advance(step)
            case Close():
                assert isinstance(step.opened, AsyncExchange)
                step.opened.close()
            case Pause():
                await asyncio.sleep(step.seconds)
        return None

    async def _advance(self, step: Advance) -> None:
        assert isinstance(step.opened, AsyncExchange)
        try:
            await step.opened.advance(step.deadline)
        except (OSError, EOFError, BadPacket, TooLarge) as exc:
            raise failure(exc, self._core.address, step.reply, step.deadline, step.timeout_s) from exc


class AsyncService:
    """One service, which is called like a function and awaited."""

    def __init__(self, client: AsyncServices, name: str) -> None:
        self._client = client
        self.name = name

    @property
    def description(self) -> Description | None:
        """What the server has said of it; None: nothing."""
        return self._client.services.get(self.name)

    async def __call__(
        self,
        instances: Given | None = None,
        /,
        *,
        fetch: str | Sequence[str] = (),
        timeout: float | None = None,
        **inputs: object,
    ) -> Any:
        """Call it; see `services.client.Service`."""
        given = given_by(instances, inputs)
        return await self._client._run(self._client._core.call(self.name, given, fetched(fetch), timeout))

    async def stream(
        self,
        instances: Given | None = None,
        /,
        *,
        fetch: str | Sequence[str] = (),
        timeout: float | None = None,
        **inputs: object,
    ) -> AsyncGenerator[Any, None]:
        """Call it, and give each part of its answer when it is made; see `services.client.Service`."""
        given, names = given_by(instances, inputs), fetched(fetch)
        run, known = self._client._run, self._client._core
        opened, lines = await run(known.open_stream(self.name, given, names, timeout))
        try:
            while True:
                for part in lines.take():
                    yield part
                if lines.is_over:
                    return
                if lines.needs_more:
                    attempts = known.attempts(timeout)
                    step = Advance(opened, lines.reply, attempts.deadline, attempts.timeout_s)
                    await run(core.just(step))
        finally:
            await run(core.just(Close(opened)))

    def __repr__(self) -> str:
        return core.usage(self.name, self.description)
