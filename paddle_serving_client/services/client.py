"""`connect`: the services of a server as functions, for callers that wait.

client = paddle_serving_client.connect("http://127.0.0.1:9393")
client.uci(x=[...])["price"]
client["ppocr"](image="a.jpg")
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from paddle_serving_client.attempts import failure
from paddle_serving_client.connection_pool import ConnectionPool, Exchange
from paddle_serving_client.errors import BadPacket, NoService, TooLarge
from paddle_serving_client.http_address import HttpAddress, proxy_of, tls_context
from paddle_serving_client.services import core
from paddle_serving_client.services.core import DEFAULT_RETRIES, DEFAULT_TIMEOUT_S, MAX_REPLY_BYTES, Core
from paddle_serving_client.services.description import Description
from paddle_serving_client.services.given import Given, fetched, given_by
from paddle_serving_client.services.steps import Advance, Ask, Close, Pause, Step, Steps

_Result = TypeVar("_Result")


def connect(
    url: str,
    *,
    timeout: float = DEFAULT_TIMEOUT_S,
    retries: int = DEFAULT_RETRIES,
    verify: bool | str = True,
    headers: Mapping[str, str] | None = None,
    max_reply_bytes: int = MAX_REPLY_BYTES,
) -> "Services":
    """Read which services a server has, and give them as functions.

    Args:
        url: `http://host:port`, `host:port` or `https://host[:port]`.
        timeout: how long a call may take, all attempts together, in seconds.
        retries: how often a call is tried again where nothing of an answer has come, or the server is full.
        verify: with https, whether the server's certificate is checked; or a file of certificates to check it against.
        headers: to be sent with every request over HTTP.
        max_reply_bytes: the largest answer, or part of a stream.

    Raises:
        BadConfig: an address, a file of certificates or a proxy that cannot be used.
        ServingError: the server cannot be asked; `Unreachable` where nobody is there.
    """
    address = HttpAddress.parse(url)
    proxy, tls = proxy_of(address), tls_context(verify) if address.scheme == "https" else None
    known = core.new(address, proxy, timeout, retries, headers, max_reply_bytes)
    client = Services(known, ConnectionPool(address, tls, proxy), ConnectionPool(address))
    try:
        client.refresh()
    except BaseException:
        client.close()
        raise
    return client


class Services:
    """The services of one server: `client.NAME(...)`, or `client["NAME"](...)`. May be used from many threads."""

    def __init__(self, known: Core, pool: ConnectionPool, rpc_pool: ConnectionPool) -> None:
        """Made by `connect`."""
        self._core = known
        self._pools = (pool, rpc_pool)

    @property
    def url(self) -> str:
        """The server."""
        return str(self._core.address)

    @property
    def services(self) -> Mapping[str, Description]:
        """What the server has said of its services, by name."""
        return self._core.services

    def refresh(self, timeout: float | None = None) -> None:
        """Ask the server again which services it has. By itself that is done when a name is unknown."""
        self._run(self._core.read_services(self._core.attempts(timeout)))

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        for pool in self._pools:
            pool.close()

    def __getitem__(self, name: str) -> "Service":
        """A service. Raises NoService where the server, asked again, has none of that name."""
        self._run(self._core.find(name, self._core.attempts(None)))
        return Service(self, name)

    def __getattr__(self, name: str) -> "Service":
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except NoService as exc:
            raise AttributeError(str(exc)) from exc

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what the core asks for

    def _run(self, steps: Steps[_Result]) -> _Result:
        came: Any = None
        error: BaseException | None = None
        while True:
            try:
                step = steps.send(came) if error is None else steps.throw(error)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            came, error = None, None
            try:
                came = self._do(step)
            except BaseException as exc:  # the steps decide, and close what they have opened
                error = exc

    def _do(self, step: Step) -> Exchange | None:
        match step:
            case Ask():
                pool = self._pools[step.is_rpc]
                if step.is_open:
                    return pool.begin(step.message, step.reply, step.deadline, step.timeout_s)
                pool.exchange(step.message, step.reply, step.deadline, step.timeout_s)
            case Advance():
                self._advance(step)
            case Close():
                assert isinstance(step.opened, Exchange)
                step.opened.close()
            case Pause():
                time.sleep(step.seconds)
        return None

    def _advance(self, step: Advance) -> None:
        assert isinstance(step.opened, Exchange)
        try:
            step.opened.advance(step.deadline)
        except (OSError, EOFError, BadPacket, TooLarge) as exc:
            raise failure(exc, self._core.address, step.reply, step.deadline, step.timeout_s) from exc


class Service:
    """One service, which is called like a function."""

    def __init__(self, client: Services, name: str) -> None:
        self._client = client
        self.name = name

    @property
    def description(self) -> Description | None:
        """What the server has said of it; None: nothing, any more."""
        return self._client.services.get(self.name)

    def __call__(
        self,
        instances: Given | None = None,
        /,
        *,
        fetch: str | Sequence[str] = (),
        timeout: float | None = None,
        **inputs: object,
    ) -> Any:
        """Call it.

        Args:
            instances: a list of instances, each a dict of inputs by name; or one such dict.
            fetch: the outputs that are wanted; none means all.
            timeout: how long it may take, in seconds; None: as `connect` was told.
            inputs: one instance, by name. Of a model, arrays may have the batch axis.

        Returns:
            Of a model its outputs by name, as numpy arrays with the batch axis, yours to change. Of a service with
            steps of its own its result. Of a pipeline texts and arrays by name.

        Raises:
            BadInput: what does not fit, said here or by the server.
            ServingError: there is no answer; `number` tells why, as for every caller.
        """
        given = given_by(instances, inputs)
        return self._client._run(self._client._core.call(self.name, given, fetched(fetch), timeout))

    def stream(
        self,
        instances: Given | None = None,
        /,
        *,
        fetch: str | Sequence[str] = (),
        timeout: float | None = None,
        **inputs: object,
    ) -> Generator[Any, None, None]:
        """Call it, and give each part of its answer when it is made.

        Args:
            instances, fetch, inputs: as for a call.
            timeout: how long the first part may take, and each after it, in seconds.

        Raises:
            ServingError: what the service said in the place of the next part, or what became of the connection.
            NoMethod: it is a model or a pipeline, which answer at once.
        """
        given, names = given_by(instances, inputs), fetched(fetch)
        run, known = self._client._run, self._client._core
        opened, lines = run(known.open_stream(self.name, given, names, timeout))
        try:
            while True:
                yield from lines.take()
                if lines.is_over:
                    return
                if lines.needs_more:
                    attempts = known.attempts(timeout)
                    step = Advance(opened, lines.reply, attempts.deadline, attempts.timeout_s)
                    run(core.just(step))
        finally:
            run(core.just(Close(opened)))

    def __repr__(self) -> str:
        return core.usage(self.name, self.description)
