"""`Client`: call a served model over RPC, numpy in and numpy out.

The rules, the old texts of errors and the results are those of Paddle Serving 0.9; what it got wrong is not kept.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from paddle_serving_client import feed as feeding
from paddle_serving_client import fetch as fetching
from paddle_serving_client import profiler
from paddle_serving_client.configured_client import ConfiguredClient
from paddle_serving_client.errors import BadConfig, BadInput, DeadlineExceeded, ServingError
from paddle_serving_client.variants import Variant, Variants
from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.general_model import WireRequest, WireResponse

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_MS = 200_000
_METHOD = "inference"
_DEFAULT_WEIGHT = 100


class Client(ConfiguredClient):
    """A client of one model. One object may be used from many threads, and in the child after a fork.

    Example:
        client = Client()
        client.load_client_config("uci_housing_client")
        client.connect(["127.0.0.1:9393"])
        prices = client.predict(feed={"x": x}, fetch=["price"], batch=True)["price"]
    """

    def __init__(self, raise_errors: bool = False) -> None:
        """Make a client that is not connected yet.

        Args:
            raise_errors: what `predict` and `wait_ready` do when a call fails. False: return None, or False, and log
                the reason as a warning, as scripts written for Paddle Serving expect. True: raise the `ServingError`.
                Wrong arguments raise in any case.
        """
        super().__init__(raise_errors)
        self.rpc_timeout_ms = DEFAULT_TIMEOUT_MS
        self.all_numpy_input = True
        self.has_numpy_input = False
        self._added: dict[str, Variant] = {}
        self._variants: Variants | None = None
        self._profile_client = profiler.is_on(profiler.CLIENT_FLAG)
        self._profile_server = profiler.is_on(profiler.SERVER_FLAG)
        self._take_spans: Callable[[Sequence[profiler.Span]], None] | None = None

    def set_rpc_timeout_ms(self, rpc_timeout: int) -> None:
        """How long a call may take, all attempts together; 0 or less means as long as it takes."""
        if not isinstance(rpc_timeout, int):
            raise ValueError("rpc_timeout must be int type.")
        self.rpc_timeout_ms = rpc_timeout

    def profile(self, take: Callable[[Sequence[profiler.Span]], None]) -> None:
        """Ask the server, too, where the time goes, and hand the spans of each call to a function, in its thread.

        Args:
            take: gets (name, start, end in microseconds since 1970) of `prepro`, `client_infer`, the server's `op0`,
                `op1`, ..., of which the last is the whole, and `postpro`.
        """
        self._profile_server = True
        self._take_spans = take

    def add_variant(self, tag: str, cluster: Sequence[str], variant_weight: int) -> None:
        """Add a group of servers to an A/B test; call it before `connect`.

        Args:
            tag: what `predict(..., need_variant_tag=True)` calls the group.
            cluster: `host:port` of equal servers.
            variant_weight: its share of the calls is this over the sum of all weights; 0 or more.

        Raises:
            BadConfig: a tag that is there already, no endpoint, a weight that cannot be, or `connect` was called.
        """
        if self._variants is not None:
            raise BadConfig(f"add_variant({tag!r}) must be called before connect()")
        if tag in self._added:
            raise BadConfig(f"variant {tag!r} was added before")
        endpoints = (cluster,) if isinstance(cluster, str) else tuple(cluster)
        self._added[tag] = Variant(tag, endpoints, variant_weight)

    def connect(self, endpoints: Sequence[str] | None = None, encryption: bool = False) -> None:
        """Say where the servers are. No connection is opened before the first call, but for `encryption`.

        Args:
            endpoints: `host:port` of equal servers; calls go to the one that has least to do. None after
                `add_variant`.
            encryption: the first endpoint waits for the key of an encrypted model (`use_key`), and answers with the
                port where it is served.

        Raises:
            ValueError: no endpoint, or one that is not `host:port`; weights that are all 0; a key server that does
                not serve.
            Unreachable, DeadlineExceeded: there is no key server.
        """
        if self._variants is not None:
            logger.warning("connect() was called before: the first endpoints are kept")
            return
        if isinstance(endpoints, str):
            endpoints = [endpoints]
        if not endpoints and (encryption or not self._added):
            raise ValueError("You must set the endpoints parameter or use add_variant function to create a variant.")
        if self._added:
            if endpoints:
                logger.warning(
                    "parameter endpoints(%s) will not take effect, because you use the add_variant function.", endpoints
                )
            self._variants = Variants(list(self._added.values()))
            return
        if encryption:
            endpoints = [self._served_at((endpoints or [])[0])]
        self._variants = Variants([Variant(self._default_tag, tuple(endpoints or ()), _DEFAULT_WEIGHT)])

    def wait_ready(self, timeout_s: float = 30.0) -> bool:
        """Wait until a server takes requests, of each variant; call it after `connect`.

        Returns:
            Whether one does. If not, the reason is logged.

        Raises:
            DeadlineExceeded: none does, and this client raises errors.
        """
        deadline = time.monotonic() + timeout_s
        try:
            for _, channel in self._connected().channels:
                channel.wait_ready(max(0.0, round(deadline - time.monotonic(), 2)))
        except DeadlineExceeded as exc:
            if self.raise_errors:
                raise
            logger.warning("%s", exc)
            return False
        return True

    def predict(
        self,
        feed: dict[str, Any] | list[Any] | None = None,
        fetch: str | list[str] | None = None,
        batch: bool = False,
        need_variant_tag: bool = False,
        log_id: int = 0,
    ) -> Any:
        """Run the model once.

        Args:
            feed: input values by alias: numpy arrays, or flat lists of as many numbers as the config says. Offsets of
                sequence inputs stand beside them as `NAME.lod`. Or a list that holds one such dict; or, for a model
                with one input, the list of its values. Not modified.
            fetch: aliases of the outputs wanted; unknown ones are dropped. None, empty, or only unknown: all.
            batch: whether the arrays have a batch axis. If not, it is added.
            need_variant_tag: whether the answer is `[outputs, tag of the variant that was called]`.
            log_id: 0 to 2**64 - 1, for the server's log.

        Returns:
            Outputs by alias with their batch axis, freshly allocated, in the order of `fetch`; `NAME.lod` beside
            sequences. From several engines: these by engine name. None when the call failed (unless `raise_errors`).

        Raises:
            ValueError: wrong arguments, or a reply without an output that was asked for.
            BadConfig: `load_client_config` or `connect` was not called.
            ServingError: the call failed, and this client raises errors.
        """
        begun = time.time_ns()
        self._check_predict(log_id)
        tag, channel = self._connected().draw()
        request = self._request(feed, fetch, batch, log_id)
        prepared = time.time_ns()
        payload = general_model.encode_request(request)
        sent = time.time_ns()
        try:
            answer = channel.call(brpc.SERVICE, _METHOD, payload, self._timeout_s)
            came = time.time_ns()
            response = self._decode(answer, request)
        except ServingError as exc:
            if self.raise_errors:
                raise
            logger.warning("predict log_id=%d failed: %s", log_id, exc)
            return None
        decoded = time.time_ns()
        result = fetching.arrays(response, request.fetch, self._spec.fetches)
        _log_cost(log_id, came - sent, response)
        if self._profile_client or self._take_spans is not None:
            self._say_profile(response, begun, prepared, sent, came, decoded)
        return [result, tag] if need_variant_tag else result

    def release(self) -> None:
        """Close the connections. `connect` may be called again."""
        if self._variants is not None:
            self._variants.close()
            self._variants = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def _default_tag(self) -> str:
        return f"default_tag_{id(self)}"

    @property
    def _timeout_s(self) -> float:
        return self.rpc_timeout_ms / 1000 if self.rpc_timeout_ms > 0 else math.inf

    def _connected(self) -> Variants:
        if self._variants is None:
            raise BadConfig("call connect() first: this client has no endpoints")
        return self._variants

    def _served_at(self, endpoint: str) -> str:
        """The endpoint that a key server opens for the key."""
        from paddle_serving_client.key_exchange import served_endpoint  # HTTP and TLS: few need them here.

        return served_endpoint(endpoint, self.key)

    def _request(self, feed: object, fetch: object, batch: bool, log_id: int) -> WireRequest:
        if fetch is not None and not isinstance(fetch, str | list):
            raise ValueError("Fetch only accepts string or list of string")
        values = feeding.as_mapping(feed, self._spec.feeds)
        numpy_inputs = [isinstance(values[name], np.ndarray) for name in self.feed_names_ if name in values]
        self.has_numpy_input, self.all_numpy_input = any(numpy_inputs), all(numpy_inputs)
        return WireRequest(
            tensors=feeding.wire_tensors(values, self._spec.feeds, batch),
            fetch=fetching.known(fetch, self.fetch_names_),
            profile_server=self._profile_server,
            log_id=log_id,
        )

    def _decode(self, answer: bytes | memoryview, request: WireRequest) -> WireResponse:
        try:
            return general_model.decode_response(answer)
        except BadInput as exc:
            raise fetching.failed(request.fetch or self.fetch_names_, str(exc)) from exc

    def _say_profile(self, response: WireResponse, *marks: int) -> None:
        """The lines that the old client writes to stderr: the wire's spans, and those of Python around them."""
        begun, prepared, sent, came, decoded, ended = (mark // 1000 for mark in (*marks, time.time_ns()))
        server = profiler.server_spans(response.profile_time) if self._profile_server else []
        spans = [("prepro", prepared, sent), ("client_infer", sent, came), *server, ("postpro", came, decoded)]
        if self._take_spans is not None:
            self._take_spans(spans)
        if not self._profile_client:
            return
        profiler.write(
            spans,
            [("py_prepro", begun, prepared), ("py_client_infer", prepared, decoded), ("py_postpro", decoded, ended)],
        )


def _log_cost(log_id: int, elapsed_ns: int, response: WireResponse) -> None:
    """The line that the old client writes to stderr for each call."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    server = ""
    if len(response.profile_time) >= 2:
        start, end = response.profile_time[-2:]
        server = f",server_cost={(end - start) / 1000:g}ms"
    logger.debug("[client]logid=%d,client_cost=%.3fms%s.", log_id, elapsed_ns / 1e6, server)
