"""Waiting for the key of encrypted models: the server starts when somebody brings it.

    serve --model DIR --use_encryption_model --port 9393

    POST / HTTP/1.1                            any path; {"key": "<base64 of the key file>"}
    200 {"endpoint_list": [12000]}             the models are served there
    200 {"message": "start serving failed", "reason": "..."}

That exchange is Paddle Serving's. The key is compared with the models before anything is started; a wrong one is
answered, and the waiting goes on. Once the server runs, this answers as before to who has the same key. The key stays
in memory: it is in no argument, environment, file or log. It comes in the clear, so the port is bound to localhost.
"""

import contextlib
import errno
import hmac
import json
import logging
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from paddle_serving_app import decrypted
from paddle_serving_client.encryption import key_from_text, key_to_text
from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.engine import repository
from paddle_serving_server.process import process_info
from paddle_serving_server.supervisor.runtime import EXIT_PORT_IN_USE, Supervisor

logger = logging.getLogger(__name__)

_LOOK_UP_S = 0.5
_MAX_BODY_BYTES = 4096
_MAX_CALLERS = 16
_SILENCE_S = 10.0
"""Longest silence of a caller in the middle of his request."""
_START_S = 600.0
"""Longest time that a caller waits until the models are loaded."""
_FAILED = "start serving failed"
_LAST_PORT = 65535


class KeyHolder:
    """The key, once it is there, and what became of the server that needs it."""

    def __init__(self, check: Callable[[bytes], None]) -> None:
        """`check` raises a ServingError where a key does not open the models."""
        self.brought: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        """Keys that open the models; each is followed by `served` or `failed`. None: nobody waits any longer."""
        self._check = check
        self._one_at_a_time = threading.Lock()
        self._decided = threading.Event()
        self._key: bytes | None = None
        self._port: int | None = None
        self._failure = ""

    def offer(self, key: bytes) -> int:
        """Start the server with that key, or see whether it is the one.

        Returns:
            The port of the server.

        Raises:
            ServingError: it is the wrong key, or the server cannot start; the next key is welcome.
        """
        with self._one_at_a_time:
            if self._key is None:
                self._check(key)
                self._key = key
                self._decided.clear()
                self.brought.put(key)
            if not hmac.compare_digest(self._key, key):
                raise BadConfig("this is not the key that the models are served with")
            if not self._decided.wait(_START_S):
                raise BadConfig(f"the models were not loaded within {_START_S:.0f} s; ask again")
            if self._port is None:
                self._key = None
                raise BadConfig(self._failure)
            return self._port

    def served(self, port: int) -> None:
        """Tell those who wait that the server answers."""
        self._port = port
        self._decided.set()

    def failed(self, reason: str) -> None:
        """Tell those who wait that it does not."""
        self._port, self._failure = None, reason
        self._decided.set()


class _Server(ThreadingHTTPServer):
    """Some callers at a time, each in a thread of its own."""

    daemon_threads = True
    holder: KeyHolder

    def __init__(self, address: tuple[str, int], holder: KeyHolder) -> None:
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        self.holder = holder
        self._free = threading.BoundedSemaphore(_MAX_CALLERS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that goes away is no error of ours; what else happens is worth a line, without his bytes."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logger.error("a caller of the key server was not answered: %s", type(error).__name__)


class _Handler(BaseHTTPRequestHandler):
    timeout = _SILENCE_S
    server: _Server

    def do_GET(self) -> None:
        """Say what is waited for."""
        self.send_error(405, "the key is sent with POST")

    def do_POST(self) -> None:
        """Take a key, whatever the path."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.send_error(411, "Content-Length is needed")
        elif len(length) > 9 or int(length) > _MAX_BODY_BYTES:
            self.send_error(413, f"a key is sent in at most {_MAX_BODY_BYTES} bytes")
        else:
            self._reply(self._outcome(self.rfile.read(int(length))))

    def _outcome(self, body: bytes) -> dict[str, object]:
        try:
            return {"endpoint_list": [self.server.holder.offer(_key_in(body))]}
        except ServingError as exc:
            logger.warning("a key from %s was refused: %s", self.client_address[0], exc)
            return {"message": _FAILED, "reason": str(exc)}

    def _reply(self, message: dict[str, object]) -> None:
        body = json.dumps(message).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Its lines go where ours go; bodies are in none."""
        logger.debug("%s: %s", self.client_address[0], format % args)


def run(config: ServerConfig) -> int:
    """Wait for the key, then serve; returns the exit status.

    Raises:
        BadConfig: the port cannot be listened on.
    """
    holder = KeyHolder(lambda key: _check(config, key))
    try:
        server = _Server((config.key_host, config.port), holder)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            print(f"Port {config.port} is already used", file=sys.stderr)  # noqa: T201  # the operator waits for it
            return EXIT_PORT_IN_USE
        raise BadConfig(f"cannot listen on {config.key_host} port {config.port}: {exc.strerror or exc}") from exc
    thread = threading.Thread(target=server.serve_forever, name="key-server", daemon=True)
    thread.start()
    try:
        while True:
            with _signals_to(holder.brought):
                process_info.record([config.port], str([m.folder for m in config.models] or list(config.services)))
                logger.info("waiting for the key on %s port %d", config.key_host, config.port)
                key = _next(holder.brought)
            if key is None:
                return 0
            if (status := _serve(config, key, holder)) is not None:
                return status
    finally:
        process_info.forget()
        server.shutdown()
        server.server_close()


def _next(items: "queue.SimpleQueue[bytes | None]") -> bytes | None:
    """The next item. A signal that comes just before the wait begins is noticed when that is begun anew."""
    while True:
        with contextlib.suppress(queue.Empty):
            return items.get(timeout=_LOOK_UP_S)


def _serve(config: ServerConfig, key: bytes, holder: KeyHolder) -> int | None:
    """Run the server with its key; its exit status, or None where it did not start."""
    ready = threading.Event()

    def on_ready() -> None:
        ready.set()
        holder.served(port)

    try:
        port = _free_port(config.host, config.encryption_rpc_port)
        real = replace(config, port=port, key=key_to_text(key), key_host="")
        supervisor = Supervisor(real, on_ready)
        status = supervisor.run()
        reason = supervisor.failure or f"the server ended with status {status}"
    except ServingError as exc:
        reason = str(exc)
        logger.error("the server does not start: %s", reason)
        holder.failed(reason)
        return None
    if ready.is_set() or status == 0:  # 0: told to stop before it was ready
        holder.failed("the server has ended")
        return status
    holder.failed(reason)
    return None


def _check(config: ServerConfig, key: bytes) -> None:
    """Raise a ServingError where the key does not open a model; those of service files are not known yet."""
    for model in config.models:
        decrypted.check_key(Path(repository.newest(model.folder).folder), key)


def _key_in(body: bytes) -> bytes:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise BadConfig('the body is not JSON; expected {"key": "<base64>"}') from None
    text = message.get("key") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise BadConfig('there is no "key"; expected {"key": "<base64>"}')
    return key_from_text(text, "the key")


def _free_port(host: str, first: int) -> int:
    """The first port from `first` on which nobody listens."""
    family, _, _, _, address = socket.getaddrinfo(host, first, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    for port in range(first, _LAST_PORT + 1):
        with socket.socket(family) as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address[0], port, *address[2:]))
            probe.listen(1)
            return port
    raise BadConfig(f"no port from {first} on is free on {host}")


@contextlib.contextmanager
def _signals_to(items: "queue.SimpleQueue[bytes | None]") -> Iterator[None]:
    """Inside the block a signal that asks to stop is a None among the items."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: items.put(None)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
