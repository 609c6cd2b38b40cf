"""A server for tests of the client: reads requests, keeps their bytes, and answers each as the test says."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol, Self

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import brpc
from tests.client import captured
from tests.rpc_frames import response_frame

Behaviour = Callable[[brpc.Frame], bytes | None]
"""From a request to what is written; None closes the connection, b"" says nothing."""


def reply(name: str) -> Behaviour:
    """Answer with a captured reply, its correlation id replaced."""
    frame = captured.frame(name)
    response = frame.meta.response

    def behave(request: brpc.Frame) -> bytes:
        if response.error_code:
            return brpc.error_frame(request.meta.correlation_id, response.error_code, response.error_text)
        return response_frame(request.meta.correlation_id, frame.payload, frame.meta.compress_type)

    return behave


def error(code: int, text: str = "no") -> Behaviour:
    """Answer with an error."""
    return lambda request: brpc.error_frame(request.meta.correlation_id, code, text)


def payload(content: bytes) -> Behaviour:
    """Answer with a payload that is not compressed."""
    return lambda request: response_frame(request.meta.correlation_id, content)


def hang_up(request: brpc.Frame) -> None:
    """Close the connection without an answer."""


def stall(request: brpc.Frame) -> bytes:
    """Never answer."""
    return b""


def one_after_the_other(*behaviours: Behaviour) -> Behaviour:
    """The first request is answered by the first, and so on; the last one answers all that follow."""
    left = list(behaviours)
    lock = threading.Lock()

    def behave(request: brpc.Frame) -> bytes | None:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        return chosen(request)

    return behave


class Replay:
    """Listens on 127.0.0.1 from the start of a `with` block to its end."""

    def __init__(self, behave: Behaviour, port: int = 0) -> None:
        self.behave = behave
        self.sent: list[bytes] = []
        """The requests that came, whole."""
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.endpoint = f"127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Die: close the port and every connection."""
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def wait_connections(self, count: int) -> None:
        """Wait until so many connections came."""
        until = time.monotonic() + 5
        while self.connections < count:
            assert time.monotonic() < until, f"{self.connections} connections, {count} expected"
            time.sleep(0.005)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.add(sock)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        reader = brpc.FrameReader(1 << 30)
        raw = b""
        with contextlib.suppress(OSError, BadPacket), sock:
            while chunk := sock.recv(1 << 20):
                raw += chunk
                reader.feed(chunk)
                while (frame := reader.next()) is not None:
                    size = brpc.HEAD_BYTES + int.from_bytes(raw[4:8], "big")
                    self.sent.append(raw[:size])
                    raw = raw[size:]
                    answer = self.behave(frame)
                    if answer is None:
                        return
                    sock.sendall(answer)


class Serve(Protocol):
    """The fixture `serve`: start a listener that stops at the end of the test."""

    def __call__(self, behave: Behaviour, port: int = 0) -> Replay: ...
