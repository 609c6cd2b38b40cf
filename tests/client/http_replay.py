"""An HTTP server for tests of the client: keeps the requests that came, and answers each as the test says."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes


@dataclass
class Answer:
    """What is written."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    closes: bool = False
    """Whether the connection is closed afterwards, without saying so before."""


Behaviour = Callable[[Asked], Answer | None]
"""From a request to what is written; None closes the connection without an answer."""


class HttpReplay:
    """Listens on 127.0.0.1 until `stop`."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                replay.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                replay.asked.append(asked)
                answer = behave(asked)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                has_length = {"Content-Length", "Transfer-Encoding"} & {*answer.headers}
                length = {} if has_length else {"Content-Length": str(len(answer.body))}
                for name, value in (length | answer.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = self.close_connection or answer.closes

            do_GET = do_POST

            def log_message(self, *args: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: Any) -> None: ...  # The client went away: that is its right.

        self._server = Server(("127.0.0.1", port), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.endpoint = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextlib.contextmanager
def http_replay(behave: Behaviour, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[HttpReplay]:
    """A server for the time of a `with` block."""
    server = HttpReplay(behave, tls, port)
    try:
        yield server
    finally:
        server.stop()
