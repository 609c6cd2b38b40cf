"""The services of a server: which there are, how each is called, what is tried again. No socket in here.

Each method that ends in `Steps` is a generator: what it gives is done by a driver, `services.client` or `aio`.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from paddle_serving_client import __version__
from paddle_serving_client.attempts import Attempts, Failed
from paddle_serving_client.errors import (
    BadConfig,
    BadInput,
    BadPacket,
    Busy,
    DeadlineExceeded,
    NoMethod,
    NoService,
    Stopping,
)
from paddle_serving_client.http_address import HttpAddress, Proxy
from paddle_serving_client.message import Array
from paddle_serving_client.services import description, handler_call, pipeline_call, refusal, stepped_call, tensor_call
from paddle_serving_client.services.description import Description
from paddle_serving_client.services.given import Given, listed
from paddle_serving_client.services.part_lines import PartLines
from paddle_serving_client.services.steps import Advance, Ask, Close, Message, Opened, Pause, Step, Steps
from paddle_serving_client.wire import http1
from paddle_serving_client.wire.http1 import HttpReply, ReplyReader

MAX_REPLY_BYTES: Final = 512 << 20
DEFAULT_TIMEOUT_S: Final = 60.0
DEFAULT_RETRIES: Final = 2
LINES: Final = "application/x-ndjson"
_FIRST_RPC_S: Final = 5.0
"""How long the first call may be without an answer before it goes over HTTP, and with it all others."""
_STALE_S: Final = 1.0
"""What was read so lately is not read again, whatever a server says."""


class Core:
    """What is known of one server. May be used from several threads: every change of it is one assignment."""

    def __init__(
        self,
        address: HttpAddress,
        proxy: Proxy | None,
        timeout_s: float,
        retries: int,
        headers: Mapping[str, str],
        max_reply_bytes: int,
    ) -> None:
        """Know nothing yet.

        Args:
            address: the server.
            proxy: on the way to it.
            timeout_s: for a call that says no other.
            retries: of a call, besides its first attempt.
            headers: to be sent with every request over HTTP.
            max_reply_bytes: the largest answer, or part of a stream.
        """
        self.address = address
        self.timeout_s = timeout_s
        self.services: Mapping[str, Description] = {}
        self._proxy = proxy if address.scheme == "http" else None
        self._retries = retries
        self._headers = {"Host": address.netloc, "User-Agent": f"paddle-serving-client/{__version__}"} | dict(headers)
        self._max_reply_bytes = max_reply_bytes
        self._has_rpc = address.scheme == "http" and proxy is None
        """Whether the server may speak baidu_std on this port; it does, unless something else is in between."""
        self._knows_rpc = False
        """Whether it has answered over it."""
        self._read_at = -math.inf

    # -- which services there are

    def read_services(self, attempts: Attempts) -> Steps[None]:
        """Ask the server which services it has."""
        reply = yield from self._http_answer("GET", description.PATH, {}, [], attempts)
        self.services = description.parse(reply.body)
        self._read_at = time.monotonic()

    def find(self, name: str, attempts: Attempts) -> Steps[Description]:
        """The service of a name; the server is asked again before there is none.

        Raises:
            NoService: there is none.
        """
        if name not in self.services:
            yield from self.read_services(attempts)
        if name not in self.services:
            served = ", ".join(map(repr, self.services)) or "none"
            raise NoService(f"{self.address} has no service {name[:128]!r}; it has {served}")
        return self.services[name]

    def attempts(self, timeout_s: float | None) -> Attempts:
        """Those of a call. Raises BadInput for a time that is none."""
        given = self.timeout_s if timeout_s is None else timeout_s
        if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
            raise BadInput(f"timeout must be a number of seconds above 0, got {given!r}")
        return Attempts(float(given), self._retries)

    # -- calls

    def call(self, name: str, given: Given, fetch: Sequence[str], timeout_s: float | None) -> Steps[Any]:
        """Call a service and give what it answers.

        What a server that was started anew says of its services may be something else than before: a call that does
        not fit is tried once more with that.
        """
        attempts = self.attempts(timeout_s)
        service = yield from self.find(name, attempts)
        try:
            return (yield from self._call(service, given, fetch, attempts))
        except (BadInput, NoService, NoMethod):
            if time.monotonic() - self._read_at < _STALE_S:
                raise
            yield from self.read_services(attempts)
            if self.services.get(name, service) == service:
                raise
        return (yield from self._call(self.services[name], given, fetch, attempts))

    def _call(self, service: Description, given: Given, fetch: Sequence[str], attempts: Attempts) -> Steps[Any]:
        if service.takes_tensors:
            tensors = tensor_call.tensors_of(service, given)
            return (yield from self._call_model(service, tensors, tensor_call.wanted(service, fetch), attempts))
        if service.kind == "pipeline":
            path, headers, body = pipeline_call.request(service, listed(given), fetch)
            reply = yield from self._http_answer("POST", path, headers, body, attempts)
            return pipeline_call.result(reply, service)
        kind = handler_call if service.kind == handler_call.KIND else stepped_call
        path, headers, body = kind.request(service, listed(given), fetch)
        reply = yield from self._http_answer("POST", path, headers, body, attempts)
        return kind.result(reply, service)

    def _call_model(
        self, service: Description, tensors: Mapping[str, Array], fetch: tuple[str, ...], attempts: Attempts
    ) -> Steps[dict[str, Array]]:
        tried_rpc = self._has_rpc
        if tried_rpc:
            payload = yield from self._rpc_answer(service, tensors, fetch, attempts)
            if payload is not None:
                self._knows_rpc = True
                return tensor_call.rpc_outputs(payload, service, fetch)
        path, headers, body = tensor_call.http_request(service, tensors, fetch)
        reply = yield from self._http_answer("POST", path, headers, body, attempts)
        if tried_rpc and not self._knows_rpc:
            self._has_rpc = False
        return tensor_call.http_outputs(reply, service, fetch)

    def _rpc_answer(
        self, service: Description, tensors: Mapping[str, Array], fetch: tuple[str, ...], attempts: Attempts
    ) -> Steps[bytes | memoryview | None]:
        """The answer over baidu_std; None: nobody speaks that here, or not for a message of this size."""
        while True:
            message, reply = tensor_call.rpc_request(service, tensors, fetch, self._max_reply_bytes)
            deadline = attempts.deadline
            if not self._knows_rpc:  # What is in between may wait for ever for the line that a request of HTTP has.
                now = time.monotonic()
                deadline = now + min(_FIRST_RPC_S, (deadline - now) / 2)
            try:
                yield Ask(message, reply, True, deadline, attempts.timeout_s)
                return reply.payload(self.address)
            except Failed as failed:
                is_late = isinstance(failed.error, DeadlineExceeded) and not self._knows_rpc
                if failed.is_unanswered or reply.is_foreign or is_late:
                    return None
                yield Pause(attempts.pause_s(failed.error, failed.may_repeat))
            except (Busy, Stopping) as refused:
                yield Pause(attempts.pause_s(refused, may_repeat=True))

    # -- answers in parts

    def open_stream(
        self, name: str, given: Given, fetch: Sequence[str], timeout_s: float | None
    ) -> Steps[tuple[Opened, PartLines]]:
        """Call a service whose answer comes in parts: what its first bytes have, and how to go on."""
        attempts = self.attempts(timeout_s)
        service = yield from self.find(name, attempts)
        if service.takes_tensors or service.kind == "pipeline":
            raise NoMethod(f"service {name!r} answers at once: it has no steps of its own that could make parts")
        path, headers, body = stepped_call.request(service, listed(given), fetch)
        head = self._head("POST", path, {**headers, "Accept": LINES}, body)
        while True:
            reply = ReplyReader(self._max_reply_bytes, self._max_reply_bytes)
            opened: Opened | None = None
            try:
                opened = yield Ask([head, *body], reply, False, attempts.deadline, attempts.timeout_s, is_open=True)
                while reply.head is None or (reply.head.status != 200 and not reply.is_complete):
                    yield Advance(opened, reply, attempts.deadline, attempts.timeout_s)
                if reply.head.status == 200:
                    found, opened = opened, None
                    return found, PartLines(reply, service, self._max_reply_bytes)
                raise refusal.answered(self.address, reply.head.status, reply.head.headers, reply.reply().body)
            except Failed as failed:
                yield Pause(attempts.pause_s(failed.error, failed.may_repeat))
            except (Busy, Stopping) as refused:
                yield Pause(attempts.pause_s(refused, may_repeat=True))
            finally:
                if opened is not None:
                    yield Close(opened)

    # -- over HTTP

    def _http_answer(
        self, method: str, path: str, headers: Mapping[str, str], body: Message, attempts: Attempts
    ) -> Steps[HttpReply]:
        """The answer, with status 200.

        Raises:
            ServingError: another one, or none.
        """
        head = self._head(method, path, headers, body)
        while True:
            reply = ReplyReader(self._max_reply_bytes)
            try:
                yield Ask([head, *body], reply, False, attempts.deadline, attempts.timeout_s)
                return self._successful(reply)
            except Failed as failed:
                yield Pause(attempts.pause_s(failed.error, failed.may_repeat))
            except (Busy, Stopping) as refused:
                yield Pause(attempts.pause_s(refused, may_repeat=True))

    def _successful(self, reply: ReplyReader) -> HttpReply:
        try:
            whole = reply.reply()
        except BadPacket as exc:
            raise BadPacket(f"{self.address}: {exc}") from exc
        if whole.status != 200:
            raise refusal.answered(self.address, whole.status, whole.headers, whole.body)
        return whole

    def _head(self, method: str, path: str, headers: Mapping[str, str], body: Iterable[bytes | memoryview]) -> bytes:
        target = f"{self.address}{path}" if self._proxy else path
        more = self._proxy.headers if self._proxy else {}
        return http1.request_head(method, target, {**self._headers, **headers, **more}, sum(map(len, body)))


def new(
    address: HttpAddress,
    proxy: Proxy | None,
    timeout: float,
    retries: int,
    headers: Mapping[str, str] | None,
    max_reply_bytes: int,
) -> Core:
    """What is known of a server before it was asked. Raises BadConfig for a time or a number that cannot be."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise BadConfig(f"timeout must be a number of seconds above 0, got {timeout!r}")
    if type(retries) is not int or retries < 0:
        raise BadConfig(f"retries must be a whole number of 0 or more, got {retries!r}")
    return Core(address, proxy, float(timeout), retries, headers or {}, max_reply_bytes)


def just(step: Step) -> Steps[Any]:
    """One step by itself; what is wrong with it is the caller's error."""
    try:
        return (yield step)
    except Failed as failed:
        raise failed.error from failed.__cause__


def described(core: Core) -> str:
    """A server and its services, for people."""
    lines = [f"    {one.usage}{f'    # {one.title}' if one.title else ''}" for one in core.services.values()]
    return "\n".join([f"<services of {core.address}>", *lines])


def usage(name: str, description: Description | None) -> str:
    """A service, for people."""
    return f"<service {description.usage if description else name}>"
