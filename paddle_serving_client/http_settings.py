"""What may be chosen for the calls of `HttpClient`: where they go, in which form, and how long they may take."""

import math
import re
from collections.abc import Mapping

from paddle_serving_client.configured_client import ConfiguredClient
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.grpc_channel import import_grpc
from paddle_serving_client.http_channel import MAX_REPLY_BYTES

DEFAULT_TIMEOUT_MS = 20_000
DEFAULT_RETRIES = 2
_PATH = re.compile(r"/[!-~]*")
_OURS = ("content-type", "content-encoding", "content-length", "transfer-encoding")
"""Headers that follow from the body."""


class HttpSettings(ConfiguredClient):
    """The part of `HttpClient` that knows how to call, and calls nobody."""

    def __init__(self, service_name: str, raise_errors: bool = False) -> None:
        super().__init__(raise_errors)
        self.timeout_ms = DEFAULT_TIMEOUT_MS
        self.max_body_size = MAX_REPLY_BYTES
        self.set_service_name(service_name)
        self._retries = DEFAULT_RETRIES
        self._headers: dict[str, str] = {}
        self._gzips_requests = self._wants_gzip = False
        self._is_protobuf, self._is_grpc = True, False

    def set_service_name(self, service_name: str) -> None:
        """The path that is posted to."""
        path = f"/{service_name.removeprefix('/')}"
        if not _PATH.fullmatch(path):
            raise BadConfig(f"service_name must be a path of printable ASCII without spaces, got {service_name!r}")
        self.service_name = path

    def set_timeout_ms(self, timeout_ms: int) -> None:
        """How long a call may take, all attempts together; 0 or less means as long as it takes."""
        if not isinstance(timeout_ms, int):
            raise ValueError("timeout_ms must be int type.")
        self.timeout_ms = timeout_ms

    def set_max_retries(self, retry_times: int = 3) -> None:
        """How often to try again when no connection can be made, or it breaks before the answer; 2 at first."""
        if not isinstance(retry_times, int):
            raise ValueError("retry_times must be int type.")
        self._retries = max(0, retry_times)

    def set_max_body_size(self, max_body_size: int) -> None:
        """The largest answer in bytes, over gRPC the largest request too. Call it before the first `predict`."""
        self.max_body_size = max_body_size

    def add_http_headers(self, headers: Mapping[str, str]) -> None:
        """Send these with every request over HTTP; those that follow from the body stay as they are."""
        if not isinstance(headers, Mapping):
            raise ValueError("headers must be a dict")
        self._headers |= {name: value for name, value in headers.items() if name.lower() not in _OURS}

    def set_request_compress(self, try_request_gzip: bool) -> None:
        """Whether requests of more than 512 values are sent as gzip."""
        self._gzips_requests = try_request_gzip

    def set_response_compress(self, try_response_gzip: bool) -> None:
        """Whether the server is asked for answers as gzip. Over gRPC it always is."""
        self._wants_gzip = try_response_gzip

    def set_http_proto(self, http_proto: bool) -> None:
        """Over HTTP: protobuf (at first), or JSON."""
        self._is_protobuf = http_proto

    def set_use_grpc_client(self, use_grpc_client: bool) -> None:
        """Whether `predict` calls over gRPC. Raises MissingLibrary when grpcio is not installed."""
        if use_grpc_client:
            import_grpc()
        self._is_grpc = use_grpc_client

    @property
    def _timeout_s(self) -> float:
        return self.timeout_ms / 1000 if self.timeout_ms > 0 else math.inf
