"""`Client`: call a served model over RPC, numpy in and numpy out.

The rules, the old texts of errors and the results are those of Paddle Serving 0.9; what it got wrong is not kept.
"""

import logging
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from paddle_serving_client import dtype, model_config
from paddle_serving_client import feed as feeding
from paddle_serving_client.brpc_channel import BrpcChannel
from paddle_serving_client.errors import BadConfig, BadInput, DeadlineExceeded, ServingError
from paddle_serving_client.message import Array, describe
from paddle_serving_client.model_config import CLIENT_CONFIG, ModelSpec
from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.general_model import ModelOutput, WireRequest, WireResponse
from paddle_serving_client.wire.tensors import row_of

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_MS = 200_000
_METHOD = "inference"
_PROFILE_FLAG = "FLAGS_profile_server"
_MAX_LOG_ID = (1 << 64) - 1


class Client:
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
        self.raise_errors = raise_errors
        self.rpc_timeout_ms = DEFAULT_TIMEOUT_MS
        self.feed_names_: list[str] = []
        self.fetch_names_: list[str] = []
        self.feed_shapes_: dict[str, list[int]] = {}
        self.feed_types_: dict[str, int] = {}
        self.feed_names_to_idx_: dict[str, int] = {}
        self.fetch_names_to_type_: dict[str, int] = {}
        self.lod_tensor_set: set[str] = set()
        self.all_numpy_input = True
        self.has_numpy_input = False
        self._spec = ModelSpec((), ())
        self._channel: BrpcChannel | None = None
        self._profile_server = os.environ.get(_PROFILE_FLAG, "") in ("1", "true")

    def load_client_config(self, model_config_path_list: str | Path | Sequence[str | Path]) -> None:
        """Read the model's config.

        Args:
            model_config_path_list: a client folder or its prototxt. Several, for models that run one after the other:
                inputs are those of the first, outputs those of the last.

        Raises:
            FileNotFoundError: there is no such file.
            BadConfig: a file is not a config.
        """
        spec = model_config.read_chain(model_config_path_list, CLIENT_CONFIG)
        self._spec = spec
        self.feed_names_ = [var.alias for var in spec.feeds]
        self.fetch_names_ = [var.alias for var in spec.fetches]
        self.feed_shapes_ = {var.alias: list(var.shape) for var in spec.feeds}
        self.feed_types_ = {var.alias: var.elem_type for var in spec.feeds}
        self.feed_names_to_idx_ = {var.alias: k for k, var in enumerate(spec.feeds)}
        self.fetch_names_to_type_ = {var.alias: var.elem_type for var in spec.fetches}
        self.lod_tensor_set = {var.alias for var in (*spec.feeds, *spec.fetches) if var.is_lod}

    def set_rpc_timeout_ms(self, rpc_timeout: int) -> None:
        """How long a call may take, all attempts together; 0 or less means as long as it takes."""
        if not isinstance(rpc_timeout, int):
            raise ValueError("rpc_timeout must be int type.")
        self.rpc_timeout_ms = rpc_timeout

    def use_key(self, key_filename: str) -> None:
        """Not there yet: the key of an encrypted model."""
        raise ServingError("encrypted models are not supported yet")

    def connect(self, endpoints: Sequence[str] | None = None, encryption: bool = False) -> None:
        """Say where the servers are. No connection is opened before the first call.

        Args:
            endpoints: `host:port` of equal servers; calls go to the one that has least to do.
            encryption: not supported yet.

        Raises:
            ValueError: no endpoint, or one that is not `host:port`.
        """
        if encryption:
            raise ServingError("encrypted models are not supported yet")
        if not endpoints:
            raise ValueError("You must set the endpoints parameter or use add_variant function to create a variant.")
        if self._channel is not None:
            logger.warning("connect() was called before: the first endpoints are kept")
            return
        self._channel = BrpcChannel([endpoints] if isinstance(endpoints, str) else endpoints)

    def wait_ready(self, timeout_s: float = 30.0) -> bool:
        """Wait until a server takes requests; call it after `connect`.

        Returns:
            Whether one does. If not, the reason is logged.

        Raises:
            DeadlineExceeded: none does, and this client raises errors.
        """
        try:
            self._connected().wait_ready(timeout_s)
        except DeadlineExceeded as exc:
            if self.raise_errors:
                raise
            logger.warning("%s", exc)
            return False
        return True

    def get_feed_names(self) -> list[str]:
        """Aliases of the inputs, in the order of the config."""
        return self.feed_names_

    def get_fetch_names(self) -> list[str]:
        """Aliases of the outputs, in the order of the config."""
        return self.fetch_names_

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
        if not isinstance(log_id, int) or not 0 <= log_id <= _MAX_LOG_ID:
            raise TypeError(f"log_id must be an int from 0 to {_MAX_LOG_ID}, got {log_id!r}")
        if not self._spec.feeds:
            raise BadConfig("call load_client_config() before predict()")
        channel = self._connected()
        wanted = self._wanted(fetch)
        values = feeding.as_mapping(feed, self._spec.feeds)
        numpy_inputs = [isinstance(values[name], np.ndarray) for name in self.feed_names_ if name in values]
        self.has_numpy_input, self.all_numpy_input = any(numpy_inputs), all(numpy_inputs)
        request = WireRequest(
            tensors=feeding.wire_tensors(values, self._spec.feeds, batch),
            fetch=wanted,
            profile_server=self._profile_server,
            log_id=log_id,
        )
        payload = general_model.encode_request(request)
        started = time.perf_counter()
        try:
            response = self._call(channel, payload, wanted)
        except ServingError as exc:
            if self.raise_errors:
                raise
            logger.warning("predict log_id=%d failed: %s", log_id, exc)
            return None
        _log_cost(log_id, time.perf_counter() - started, response)
        result = self._result(response, wanted)
        return [result, self._variant_tag] if need_variant_tag else result

    def release(self) -> None:
        """Close the connections. `connect` may be called again."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def _variant_tag(self) -> str:
        return f"default_tag_{id(self)}"

    def _connected(self) -> BrpcChannel:
        if self._channel is None:
            raise BadConfig("call connect() first: this client has no endpoints")
        return self._channel

    def _wanted(self, fetch: object) -> tuple[str, ...]:
        """The outputs that were asked for and exist, each once; none means all."""
        if fetch is not None and not isinstance(fetch, str | list):
            raise ValueError("Fetch only accepts string or list of string")
        names = [fetch] if isinstance(fetch, str) else fetch or []
        return tuple(dict.fromkeys(name for name in names if name in self.fetch_names_))

    def _call(self, channel: BrpcChannel, payload: bytes, wanted: tuple[str, ...]) -> WireResponse:
        timeout_s = self.rpc_timeout_ms / 1000 if self.rpc_timeout_ms > 0 else math.inf
        answer = channel.call(brpc.SERVICE, _METHOD, payload, timeout_s)
        try:
            return general_model.decode_response(answer)
        except BadInput as exc:
            raise _failed_to_fetch(wanted or self.fetch_names_, str(exc)) from exc

    def _result(self, response: WireResponse, wanted: tuple[str, ...]) -> dict[str, Any]:
        if response.err_no:
            logger.warning("the reply says err_no=%d: %s", response.err_no, response.err_msg)
        if not response.outputs:
            return {}
        if len(response.outputs) == 1:
            return self._arrays(response.outputs[0], wanted)
        return {output.engine_name: self._arrays(output, wanted) for output in response.outputs}

    def _arrays(self, output: ModelOutput, wanted: tuple[str, ...]) -> dict[str, Array]:
        came = {tensor.alias or tensor.name: tensor for tensor in output.tensors}
        arrays: dict[str, Array] = {}
        for name in wanted or came:
            if name not in came:
                raise _failed_to_fetch([name], f"the reply has {', '.join(came) or 'no outputs'}")
            tensor = came[name]
            expected = dtype.ELEM_TYPES.get(self.fetch_names_to_type_.get(name, dtype.UNKNOWN))
            if expected and expected.carrier != row_of(tensor).carrier:
                raise _failed_to_fetch([name], f"{expected.name} expected, {describe(tensor.array)} came")
            arrays[name] = tensor.array.copy()
            if tensor.lod and name in self.lod_tensor_set:
                arrays[f"{name}.lod"] = np.concatenate(tensor.lod).astype(np.int32)
        return arrays


def _failed_to_fetch(names: Sequence[str], reason: str) -> ValueError:
    text = f"Failed to fetch, maybe the type of [{', '.join(names)}] is wrong, please check the model file"
    return ValueError(f"{text}: {reason}")


def _log_cost(log_id: int, seconds: float, response: WireResponse) -> None:
    """The line that the old client writes to stderr for each call."""
    server = ""
    if len(response.profile_time) >= 2:
        start, end = response.profile_time[-2:]
        server = f",server_cost={(end - start) / 1000:g}ms"
    logger.debug("[client]logid=%d,client_cost=%.3fms%s.", log_id, seconds * 1000, server)
