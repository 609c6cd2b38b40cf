"""Calls to one HTTP server: connections that are kept, proxies, TLS, a deadline for the whole call. What is carried is
unknown here.
"""

import logging
import math
import time
from collections.abc import Mapping

from paddle_serving_client.attempts import Failed
from paddle_serving_client.connection_pool import ConnectionPool
from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.http_address import HttpAddress, proxy_of, tls_context
from paddle_serving_client.wire import http1
from paddle_serving_client.wire.http1 import HttpReply, ReplyReader

__all__ = ["MAX_REPLY_BYTES", "HttpAddress", "HttpChannel", "HttpReply"]

logger = logging.getLogger(__name__)

MAX_REPLY_BYTES = 512 << 20


class HttpChannel:
    """One server behind `post`. For use from many threads, and after a fork from the child too."""

    def __init__(self, address: HttpAddress, verify: bool | str = True, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        """Open nothing yet.

        Args:
            address: the server.
            verify: with https, whether its certificate is checked, or a file of certificates to check it against.
            max_reply_bytes: the largest body that is read, compressed or not.

        Raises:
            BadConfig: the file of certificates cannot be used, or a proxy of the environment is of no use here.
        """
        self.address = address
        self._max_reply_bytes = max_reply_bytes
        tls = tls_context(verify) if address.scheme == "https" else None
        proxy = proxy_of(address)
        self._pool = ConnectionPool(address, tls, proxy)
        self._plain_proxy = None if tls else proxy

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout_s: float = math.inf, retries: int = 0
    ) -> HttpReply:
        """Send a request and wait for its answer, whatever its status.

        Args:
            path: beginning with a slash.
            body: as it is sent.
            headers: besides Host and Content-Length.
            timeout_s: for everything, all attempts together.
            retries: how often to try again when no connection can be made or it breaks before the answer.

        Raises:
            Unreachable: no connection, or none that lasted until the answer.
            DeadlineExceeded: no answer in time.
            BadPacket: the answer is not HTTP.
            TooLarge: the answer is over `max_reply_bytes`.
        """
        deadline = time.monotonic() + timeout_s
        head = self._head("POST", path, headers, len(body))
        while True:
            reply = ReplyReader(self._max_reply_bytes)
            try:
                self._pool.exchange([head, body], reply, deadline, timeout_s)
                return reply.reply()
            except TooLarge as exc:
                raise self._over_the_limit(exc) from exc
            except Failed as failed:
                if isinstance(failed.error, TooLarge):
                    raise self._over_the_limit(failed.error) from failed.__cause__
                if retries <= 0 or not failed.may_repeat:
                    raise failed.error from failed.__cause__
                logger.info("attempt failed: %s", failed.error)
            except BadPacket as exc:
                raise BadPacket(f"{self.address}: {exc}") from exc
            retries -= 1

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is done."""
        self._pool.close()

    def _head(self, method: str, path: str, headers: Mapping[str, str], body_bytes: int) -> bytes:
        proxy = self._plain_proxy
        target = f"{self.address}{path}" if proxy else path
        more = proxy.headers if proxy else {}
        return http1.request_head(method, target, {"Host": self.address.netloc, **headers, **more}, body_bytes)

    def _over_the_limit(self, error: TooLarge) -> TooLarge:
        return TooLarge(f"{error}; see set_max_body_size")
