"""`MultiLangClient`: the gRPC client of Paddle Serving 0.6 and older, which asks the server for the model's config.

For scripts that have it; new ones take `HttpClient`, over gRPC too.
"""

import itertools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from paddle_serving_client import dtype, http_feed, model_config
from paddle_serving_client import fetch as fetching
from paddle_serving_client.configured_client import ConfiguredClient
from paddle_serving_client.errors import BadConfig, BadDType, BadInput, BadPacket, ServingError
from paddle_serving_client.grpc_channel import GrpcChannel, PendingCall, import_grpc
from paddle_serving_client.http_channel import HttpAddress
from paddle_serving_client.message import Array
from paddle_serving_client.wire import multi_lang
from paddle_serving_client.wire.proto import multi_lang_pb2 as pb
from paddle_serving_client.wire.tensors import LITTLE, WireTensor, row_of

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 2.0
STATUS_KEY = "serving_status_code"
_CARRIERS = ("int64_data", "float_data", "int_data")


class MultiLangClient(ConfiguredClient):
    """A client of one model, for use from many threads."""

    def __init__(self, raise_errors: bool = False) -> None:
        """Make a client that is not connected yet.

        Args:
            raise_errors: what `predict` does when a call fails. False: return a dict with the status of gRPC under
                `serving_status_code`. True: raise the `ServingError`.

        Raises:
            MissingLibrary: grpcio is not installed.
        """
        super().__init__(raise_errors)
        self._grpc = import_grpc()
        self._timeout_s = DEFAULT_TIMEOUT_S
        self._channels: list[GrpcChannel] = []
        self._turns = itertools.count()

    def add_variant(self, tag: str, cluster: Sequence[str], variant_weight: int) -> None:
        """Not there, as it never was. Raises BadConfig."""
        raise BadConfig("cannot support ABtest yet: this client has no variants; Client has")

    def connect(self, endpoints: Sequence[str]) -> None:
        """Say where the servers are, and ask the first one for the model's config.

        Args:
            endpoints: `host:port` of equal servers, which are called in turns.

        Raises:
            ValueError: no endpoint, or one that is not `host:port`.
            ServingError: the server does not answer.
        """
        addresses = [HttpAddress.parse(endpoint) for endpoint in endpoints]
        if not addresses:
            raise ValueError("there must be at least one endpoint")
        channels = [GrpcChannel(address) for address in addresses]
        try:
            answer = self._ask(channels[0], "GetClientConfig", pb.GetClientConfigRequest(), pb.GetClientConfigResponse)
            self._set_spec(model_config.parse(answer.client_config_str, f"the config of {addresses[0].netloc}"))
        except ServingError:
            _close(channels)
            raise
        self.release()
        self._channels = channels

    def set_rpc_timeout_ms(self, rpc_timeout: int) -> bool:
        """How long a call may take; 2000 at first. Call it after `connect`: the servers are told, too.

        Returns:
            Whether they agreed.
        """
        if not isinstance(rpc_timeout, int):
            raise ValueError("rpc_timeout must be int type.")
        self._check_connected()
        self._timeout_s = rpc_timeout / 1000 if rpc_timeout > 0 else math.inf
        request = pb.SetTimeoutRequest(timeout_ms=rpc_timeout)
        answers = [self._ask(channel, "SetTimeout", request, pb.SimpleResponse) for channel in self._channels]
        return all(answer.err_code == 0 for answer in answers)

    def predict(
        self,
        feed: Mapping[str, Any],
        fetch: str | Sequence[str] | None = None,
        batch: bool = True,
        need_variant_tag: bool = False,
        asyn: bool = False,
        is_python: bool = True,
        log_id: int = 0,
    ) -> Any:
        """Run the model once.

        Args:
            feed: input values by alias: numpy arrays or lists; `NAME.lod` beside sequences. Not modified.
            fetch: aliases of the outputs wanted; unknown ones are dropped. None, empty, or only unknown: all.
            batch: whether the arrays have a batch axis. If not, it is added.
            need_variant_tag: whether the answer is `[outputs, tag]`.
            asyn: whether to return at once, with an object whose `result()` is the answer.
            is_python: whether values travel as the bytes of arrays, or as numbers.
            log_id: 0 to 2**64 - 1, for the server's log.

        Returns:
            Outputs by alias with their batch axis; `NAME.lod` beside sequences; `serving_status_code`, which is 0. From
            several engines: these by engine name. When the call failed, only `serving_status_code` (unless
            `raise_errors`).

        Raises:
            ValueError: wrong arguments.
            ServingError: the call failed, and this client raises errors.
        """
        if not isinstance(feed, Mapping):
            raise ValueError("Type Error. grpc feed must be dict.")
        self._check_connected()
        self._check_predict(log_id)
        values = http_feed.as_mapping(feed, self._spec.feeds)
        wanted = fetching.known(fetch, self.fetch_names_) or tuple(self.fetch_names_)
        tensors = http_feed.wire_tensors(values, self._spec.feeds, batch)
        request = pb.InferenceRequest(
            insts=[pb.FeedInst(tensor_array=[_message(tensor, is_python) for tensor in tensors])],
            feed_var_names=[tensor.alias for tensor in tensors],
            fetch_var_names=wanted,
            is_python=is_python,
            log_id=log_id,
        )
        channel = self._channels[next(self._turns) % len(self._channels)]
        call = channel.send(f"/{multi_lang.SERVICE}/Inference", request.SerializeToString(), self._timeout_s)
        future = MultiLangPredictFuture(call, lambda call: self._answer(call, wanted, need_variant_tag))
        return future if asyn else future.result()

    def release(self) -> None:
        """Close the connections. `connect` may be called again."""
        _close(self._channels)
        self._channels = []

    def _check_connected(self) -> None:
        if not self._channels:
            raise BadConfig("call connect() first: this client has no endpoints")

    def _ask(self, channel: GrpcChannel, method: str, request: Any, kind: Any) -> Any:
        answer = channel.call(f"/{multi_lang.SERVICE}/{method}", request.SerializeToString(), self._timeout_s)
        return _parsed(kind, answer)

    def _answer(self, call: PendingCall, wanted: Sequence[str], need_variant_tag: bool) -> Any:
        try:
            response = _parsed(pb.InferenceResponse, call.result())
            if response.err_code != 0:
                raise ServingError(f"the server answered err_code={response.err_code}")
            outputs = [(output.engine_name, self._arrays(output, wanted)) for output in response.outputs]
        except ServingError as exc:
            if self.raise_errors:
                raise
            logger.warning("Grpc inference error occur: %s", exc)
            return {STATUS_KEY: _status_of(exc, self._grpc)}
        result: dict[str, Any] = outputs[0][1] if len(outputs) == 1 else dict(outputs)
        result[STATUS_KEY] = 0
        return [result, response.tag] if need_variant_tag else result

    def _arrays(self, output: Any, wanted: Sequence[str]) -> dict[str, Any]:
        tensors = output.insts[0].tensor_array if output.insts else []
        if len(tensors) < len(wanted):
            raise BadPacket(f"{len(tensors)} outputs came, {len(wanted)} were asked for: {', '.join(wanted)}")
        arrays: dict[str, Any] = {}
        for name, tensor in zip(wanted, tensors, strict=False):
            arrays[name] = _array(name, tensor, self.fetch_names_to_type_[name])
            if name in self.lod_tensor_set:
                arrays[f"{name}.lod"] = np.array(tensor.lod, np.int32)
        return arrays


class MultiLangPredictFuture:
    """An answer that may not have come yet."""

    def __init__(self, call: PendingCall, answer: Callable[[PendingCall], Any]) -> None:
        self._call = call
        self._answer = answer

    def result(self) -> Any:
        """Wait for it. As `MultiLangClient.predict` without `asyn`."""
        return self._answer(self._call)

    def add_done_callback(self, fn: Callable[["MultiLangPredictFuture"], object]) -> None:
        """Call `fn` with this object, in another thread, when the answer is there or the call has failed."""
        self._call.add_done_callback(lambda: fn(self))


def _message(tensor: WireTensor, is_python: bool) -> pb.Tensor:
    row = row_of(tensor)
    message = pb.Tensor(shape=tensor.array.shape, lod=[end for level in tensor.lod for end in level])
    if tensor.strings:
        if len(tensor.strings) != 1:
            raise BadInput(f"feed {tensor.alias!r}: one string is taken, got {len(tensor.strings)}")
        message.data = tensor.strings[0]
    elif is_python:
        message.data = np.ascontiguousarray(tensor.array, LITTLE[row.code]).tobytes()
    elif row.carrier in _CARRIERS:
        getattr(message, row.carrier).extend(tensor.array.reshape(-1).tolist())
    else:
        raise BadDType(f"feed {tensor.alias!r}: {row.name} can only be sent with is_python=True")
    if row.code == dtype.STRING or not is_python:
        message.elem_type = row.code
    return message


def _array(name: str, tensor: pb.Tensor, configured_type: int) -> Array:
    code = tensor.elem_type if tensor.HasField("elem_type") else configured_type
    row = dtype.ELEM_TYPES.get(code)
    if row is None or row.numpy is None:
        raise BadPacket(f"output {name!r} came with elem_type {code}, which is not known")
    try:
        if tensor.HasField("data"):
            array = np.frombuffer(tensor.data, LITTLE[code]).astype(row.numpy)
        else:
            array = np.array(getattr(tensor, row.carrier if row.carrier in _CARRIERS else _CARRIERS[0]), row.numpy)
        return array.reshape(tuple(tensor.shape))
    except ValueError as exc:
        raise BadPacket(f"output {name!r}: {exc}") from exc


def _parsed(kind: Any, answer: bytes) -> Any:
    try:
        return kind.FromString(answer)
    except DecodeError as exc:
        raise BadPacket(f"the answer is not a {kind.__name__}: {exc}") from exc


def _status_of(error: ServingError, grpc: Any) -> Any:
    """What grpcio calls the reason of a failure, as scripts compare it."""
    cause = error.__cause__
    return cause.code() if isinstance(cause, grpc.RpcError) else grpc.StatusCode.UNKNOWN


def _close(channels: Sequence[GrpcChannel]) -> None:
    for channel in channels:
        channel.close()
