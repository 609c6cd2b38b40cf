"""Calls to one gRPC server by grpcio, which is installed only where it is wanted. What is carried is unknown here."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddle_serving_client import remote_error
from paddle_serving_client.errors import (
    BadConfig,
    DeadlineExceeded,
    MissingLibrary,
    ServingError,
    TooLarge,
    Unreachable,
)
from paddle_serving_client.http_channel import HttpAddress

logger = logging.getLogger(__name__)


class GrpcChannel:
    """One server behind `call`. For use from many threads."""

    def __init__(self, address: HttpAddress, verify: bool | str = True, max_body_bytes: int = 512 << 20) -> None:
        """Open nothing yet.

        Args:
            address: the server; with https it speaks TLS.
            verify: a file of certificates to check it against, or True for those of grpcio. It cannot be False.
            max_body_bytes: the largest message, either way.

        Raises:
            MissingLibrary: grpcio is not installed.
            BadConfig: `verify` cannot be followed.
        """
        grpc = import_grpc()
        self._grpc = grpc
        self.address = address
        self._options = [
            ("grpc.max_receive_message_length", max_body_bytes),
            ("grpc.max_send_message_length", max_body_bytes),
            ("grpc.enable_http_proxy", 0 if address.is_this_machine else 1),
            ("grpc.use_local_subchannel_pool", 1),  # Clients of one process would share a connection.
            ("grpc.initial_reconnect_backoff_ms", 100),  # A server that is back is found soon.
            ("grpc.max_reconnect_backoff_ms", 3000),
        ]
        self._credentials = _credentials(grpc, verify) if address.scheme == "https" else None
        self._lock = threading.Lock()
        self._channel: Any = None
        self._pid = 0

    def call(
        self, method: str, message: bytes, timeout_s: float = math.inf, compress: bool = False, retries: int = 0
    ) -> bytes:
        """Send a message and wait for its answer.

        Args:
            method: the full path, `/package.Service/Method`.
            message: as it is sent.
            timeout_s: for everything, all attempts together.
            compress: whether to send it as gzip.
            retries: how often to try again when nobody could be reached.

        Raises:
            Unreachable: nobody could be reached, or the connection broke.
            DeadlineExceeded: no answer in time.
            ServingError: what the server answered; the class says which error, the text has its words.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.send(method, message, deadline - time.monotonic(), compress).result()
            except Unreachable as error:
                if retries <= 0 or time.monotonic() >= deadline:
                    raise
                logger.info("attempt failed: %s", error)
                retries -= 1

    def send(self, method: str, message: bytes, timeout_s: float = math.inf, compress: bool = False) -> "PendingCall":
        """Send a message; its answer is waited for later. One attempt is made."""
        call = self._stub(method).future(
            message,
            timeout=None if timeout_s == math.inf else max(0.001, timeout_s),
            compression=self._grpc.Compression.Gzip if compress else None,
        )
        return PendingCall(self, call, timeout_s)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def _stub(self, method: str) -> Any:
        with self._lock:
            if self._channel is None or self._pid != os.getpid():
                self._pid = os.getpid()
                target = self.address.netloc
                if self._credentials is None:
                    self._channel = self._grpc.insecure_channel(target, self._options)
                else:
                    self._channel = self._grpc.secure_channel(target, self._credentials, self._options)
            return self._channel.unary_unary(method)

    def _error(self, failed: Any, timeout_s: float) -> ServingError:
        """One of our errors for a failed call of grpcio."""
        name, words = failed.code().name, failed.details() or ""
        trailers = dict(failed.trailing_metadata() or ())
        number = trailers.get(remote_error.NUMBER_HEADER)
        if name == "DEADLINE_EXCEEDED" and number is None:
            return DeadlineExceeded(f"{self.address.netloc}: no answer within {timeout_s * 1000:.0f} ms")
        if name in ("UNAVAILABLE", "CANCELLED") and number is None:
            return Unreachable(f"{self.address.netloc}: {words}")
        if name == "RESOURCE_EXHAUSTED" and "larger than max" in words:
            return TooLarge(f"{self.address.netloc}: {words}")
        return remote_error.by_grpc(name, number)(f"{self.address.netloc} answered {name}: {words}")


class PendingCall:
    """A call whose answer may not have come yet."""

    def __init__(self, channel: GrpcChannel, call: Any, timeout_s: float) -> None:
        self._channel = channel
        self._call = call
        self._timeout_s = timeout_s

    def result(self) -> bytes:
        """Wait for the answer. Raises as `GrpcChannel.call` does."""
        grpc = self._channel._grpc
        try:
            return bytes(self._call.result())
        except grpc.RpcError as failed:
            raise self._channel._error(failed, self._timeout_s) from failed
        except grpc.FutureCancelledError as cancelled:
            raise Unreachable(f"{self._channel.address.netloc}: the call was cancelled") from cancelled

    def add_done_callback(self, done: Callable[[], object]) -> None:
        """Call it, in a thread of grpcio, when the answer is there or the call has failed."""
        self._call.add_done_callback(lambda call: done())


def import_grpc() -> Any:
    """The module grpc.

    Raises:
        MissingLibrary: it is not installed.
    """
    try:
        import grpc
    except ImportError as exc:
        raise MissingLibrary("gRPC needs grpcio: pip install paddle-serving-next[grpc]") from exc
    return grpc


def _credentials(grpc: Any, verify: bool | str) -> Any:
    if verify is False:
        raise BadConfig("verify=False is not possible over gRPC; give the file with the server's certificate instead")
    try:
        roots = Path(verify).read_bytes() if isinstance(verify, str) else None
    except OSError as exc:
        raise BadConfig(f"verify={verify!r} is not a file of certificates: {exc}") from exc
    return grpc.ssl_channel_credentials(roots)
