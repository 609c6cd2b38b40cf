"""`HttpClient`: call a served model over HTTP, with protobuf or JSON, or over gRPC.

The rules, the old texts of errors and the results are those of Paddle Serving 0.9; what it got wrong is not kept.
"""

import gzip
import logging
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from google.protobuf.message import DecodeError

from paddle_serving_client import __version__, http_feed, remote_error
from paddle_serving_client import fetch as fetching
from paddle_serving_client.errors import BadInput, BadPacket, ServingError
from paddle_serving_client.grpc_channel import GrpcChannel
from paddle_serving_client.http_channel import HttpAddress, HttpChannel
from paddle_serving_client.http_settings import DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, HttpSettings
from paddle_serving_client.key_exchange import served_port
from paddle_serving_client.wire import brpc, general_model, general_model_json, json_text
from paddle_serving_client.wire.general_model import WireRequest
from paddle_serving_client.wire.proto import general_model_pb2

__all__ = ["DEFAULT_RETRIES", "DEFAULT_TIMEOUT_MS", "MIN_GZIP_ELEMENTS", "HttpClient"]

logger = logging.getLogger(__name__)

MIN_GZIP_ELEMENTS = 512
_GRPC_METHOD = f"/{brpc.SERVICE}/inference"
_GZIP_LEVEL = 1


class HttpClient(HttpSettings):
    """A client of one model on one server. One object may be used from many threads.

    Example:
        client = HttpClient(as_numpy=True)
        client.load_client_config("uci_housing_client")
        client.connect(["127.0.0.1:9393"])
        prices = client.predict(feed={"x": x}, fetch=["price"], batch=True)["price"]
    """

    def __init__(
        self,
        ip: str = "127.0.0.1",
        port: str | int = "9393",
        service_name: str = "/GeneralModelService/inference",
        *,
        raise_errors: bool = False,
        as_numpy: bool = False,
        verify: bool | str = True,
    ) -> None:
        """Make a client. No connection is opened before the first call.

        Args:
            ip: the server's address or name, unless `connect` says another.
            port: its port.
            service_name: the path that is posted to; gRPC has one of its own.
            raise_errors: what `predict` does when a call fails. False: return None and log the reason as a warning,
                as scripts written for Paddle Serving expect. True: raise the `ServingError`. Wrong arguments raise in
                any case.
            as_numpy: what `predict` returns: numpy arrays by alias, as `Client` does, instead of the reply as it came.
            verify: with `https://`, whether the server's certificate is checked; or a file of certificates to check
                it against.
        """
        super().__init__(service_name, raise_errors)
        self.ip = ip
        self.port = str(port)
        self.as_numpy = as_numpy
        self._verify = verify
        self._lock = threading.Lock()
        self._address: HttpAddress | None = None
        self._http: HttpChannel | None = None
        self._grpc: GrpcChannel | None = None

    def connect(self, url: str | Sequence[str] | None = None, encryption: bool = False) -> None:
        """Say where the server is. No connection is opened before the first call, but for `encryption`.

        Args:
            url: `host:port`, `http://host:port` or `https://host[:port]`, or a list of exactly one. None: as the
                constructor was told.
            encryption: the address waits for the key of an encrypted model (`use_key`), and answers with the port
                where it is served.

        Raises:
            ValueError: not such an address, or more than one; a key server that does not serve.
            Unreachable, DeadlineExceeded: there is no key server.
        """
        if isinstance(url, list | tuple):
            if len(url) != 1:
                raise ValueError("HttpClient only support 1 endpoint")
            url = url[0]
        address = HttpAddress.parse(str(url) if url is not None else self._told())
        self.ip, self.port = address.host, str(address.port)
        if encryption:
            port = served_port(HttpChannel(address, self._verify), self.key)
            address = HttpAddress(address.host, port, address.scheme)
        self.release()
        self._address = address

    @property
    def server_port(self) -> str:
        """The port that is called: of an encrypted model, the one that the key server named."""
        return str(self._address.port) if self._address else self.port

    def predict(
        self,
        feed: Any = None,
        fetch: str | Sequence[str] | None = None,
        batch: bool = False,
        need_variant_tag: bool = False,
        log_id: int = 0,
    ) -> Any:
        """Run the model once, over what was chosen: HTTP, or gRPC after `set_use_grpc_client(True)`.

        Args:
            feed: input values by alias: numpy arrays, numbers, or lists, nested or flat; `NAME.lod` beside sequences.
                A list or tuple of as many values as the model has inputs is taken by position; for a model with one
                input, its value alone will do. Not modified.
            fetch: aliases of the outputs wanted; unknown ones are dropped. None, empty, or only unknown: all.
            batch: whether the values have a batch axis. If not, it is added.
            need_variant_tag: without effect; there is one server.
            log_id: 0 to 2**64 - 1, for the server's log.

        Returns:
            The reply: a protobuf `Response`, or a dict with JSON. With `as_numpy`: arrays by alias, as `Client` gives.
            None when the call failed (unless `raise_errors`).

        Raises:
            ValueError: wrong arguments.
            BadConfig: `load_client_config` was not called.
            ServingError: the call failed, and this client raises errors.
        """
        if self._is_grpc:
            return self.grpc_client_predict(feed, fetch, batch, need_variant_tag, log_id)
        return self.http_client_predict(feed, fetch, batch, need_variant_tag, log_id)

    def http_client_predict(
        self,
        feed: Any = None,
        fetch: str | Sequence[str] | None = None,
        batch: bool = False,
        need_variant_tag: bool = False,
        log_id: int = 0,
    ) -> Any:
        """`predict` over HTTP."""
        request = self._request(feed, fetch, batch, log_id)
        write, read = (
            (general_model.encode_request, self._from_protobuf)
            if self._is_protobuf
            else (general_model_json.request_to_json, self._from_json)
        )
        body = write(request)
        try:
            return read(self._post(body, request), request)
        except ServingError as exc:
            return self._failed("http post error", exc)

    def grpc_client_predict(
        self,
        feed: Any = None,
        fetch: str | Sequence[str] | None = None,
        batch: bool = False,
        need_variant_tag: bool = False,
        log_id: int = 0,
    ) -> Any:
        """`predict` over gRPC. Raises MissingLibrary when grpcio is not installed."""
        request = self._request(feed, fetch, batch, log_id)
        channel = self._grpc_channel()
        message = general_model.encode_request(request)
        is_large = self._gzips_requests and _elements(request) > MIN_GZIP_ELEMENTS
        try:
            answer = channel.call(_GRPC_METHOD, message, self._timeout_s, is_large, self._retries)
            return self._from_protobuf(answer, request)
        except ServingError as exc:
            return self._failed("Grpc inference error occur", exc)

    def release(self) -> None:
        """Close the connections. The next call opens new ones."""
        for channel in (self._http, self._grpc):
            if channel is not None:
                channel.close()
        self._http = self._grpc = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _told(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    def _server(self) -> HttpAddress:
        if self._address is None:
            self._address = HttpAddress.parse(self._told())
        return self._address

    def _http_channel(self) -> HttpChannel:
        with self._lock:
            if self._http is None:
                self._http = HttpChannel(self._server(), self._verify, self.max_body_size)
            return self._http

    def _grpc_channel(self) -> GrpcChannel:
        with self._lock:
            if self._grpc is None:
                self._grpc = GrpcChannel(self._server(), self._verify, self.max_body_size)
            return self._grpc

    def _request(self, feed: object, fetch: object, batch: bool, log_id: int) -> WireRequest:
        self._check_predict(log_id)
        if fetch is not None and not isinstance(fetch, str | list | tuple):
            raise ValueError("Fetch only accepts string/list/tuple of string")
        values = http_feed.as_mapping(feed, self._spec.feeds)
        return WireRequest(
            tensors=http_feed.wire_tensors(values, self._spec.feeds, batch),
            fetch=fetching.known(fetch, self.fetch_names_),
            log_id=log_id,
        )

    def _post(self, body: bytes, request: WireRequest) -> bytes | memoryview:
        """Send a body and give back that of the answer. Raises ServingError."""
        channel = self._http_channel()
        headers = {
            "User-Agent": f"paddle-serving-client/{__version__}",
            "Accept-Encoding": "gzip" if self._wants_gzip else "identity",
            **self._headers,
            "Content-Type": "application/proto" if self._is_protobuf else "application/json",
        }
        if self._gzips_requests and _elements(request) > MIN_GZIP_ELEMENTS:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        reply = channel.post(self.service_name, body, headers, self._timeout_s, self._retries)
        if reply.status == 200:
            return reply.body
        said = bytes(reply.body[:1000]).decode(errors="replace").strip()
        kind = remote_error.by_status(reply.status, reply.headers.get(remote_error.NUMBER_HEADER))
        raise kind(f"{channel.address} answered status {reply.status}: {said}")

    def _from_protobuf(self, answer: bytes | memoryview, request: WireRequest) -> Any:
        if self.as_numpy:
            return self._arrays(general_model.decode_response, answer, request)
        try:
            return general_model_pb2.Response.FromString(bytes(answer))
        except DecodeError as exc:
            raise BadPacket(f"the answer is not a protobuf Response: {exc}") from exc

    def _from_json(self, answer: bytes | memoryview, request: WireRequest) -> Any:
        if self.as_numpy:
            return self._arrays(general_model_json.response_from_json, answer, request)
        try:
            said = json_text.loads(bytes(answer))
        except ValueError as exc:
            raise BadPacket(f"the answer is not JSON: {exc}") from exc
        if not isinstance(said, dict):
            raise BadPacket("the answer is not a JSON object")
        return said

    def _arrays(self, decode: Any, answer: bytes | memoryview, request: WireRequest) -> dict[str, Any]:
        try:
            response = decode(answer)
        except BadInput as exc:
            raise fetching.failed(request.fetch or self.fetch_names_, str(exc)) from exc
        return fetching.arrays(response, request.fetch, self._spec.fetches)

    def _failed(self, what: str, error: ServingError) -> None:
        if self.raise_errors:
            raise error
        logger.warning("%s: %s", what, error)


def _elements(request: WireRequest) -> int:
    """How many values a request has, of strings how many bytes."""
    return sum(tensor.array.size for tensor in request.tensors)
