"""`PipelineClient`: call a pipeline over gRPC. The rules and the answers are those of Paddle Serving 0.9."""

import itertools
import logging
import math
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paddle_serving_client.errors import BadConfig, BadPacket
from paddle_serving_client.grpc_channel import GrpcChannel, PendingCall, import_grpc
from paddle_serving_client.http_channel import HttpAddress
from paddle_serving_client.wire.pipeline import METHOD, PROFILE, SERVICE, PipelineRequest, encode_request
from paddle_serving_client.wire.pipeline_tensors import PipelineTensor, tensor_of
from paddle_serving_client.wire.proto.pipeline_service_pb2 import Response

logger = logging.getLogger(__name__)

_METHOD = f"/{SERVICE}/{METHOD}"
_IN_THE_REQUEST = ("logid", "clientip")
"""Keys of a feed that have fields of their own."""


class PipelineFuture:
    """An answer that is on its way."""

    def __init__(self, call: PendingCall) -> None:
        self._call = call

    def result(self) -> Response:
        """Wait for the answer; raises as `PipelineClient.predict`."""
        return Response.FromString(self._call.result())


class PipelineClient:
    """A client of pipelines. One object may be used from many threads.

    Example:
        client = PipelineClient()
        client.connect(["127.0.0.1:9998"])
        answer = client.predict({"x": "0.0137, -0.1136"})
        print(answer.err_no, dict(zip(answer.key, answer.value)))
    """

    def __init__(self) -> None:
        """Make a client that is not connected yet.

        Raises:
            MissingLibrary: grpcio is not installed.
        """
        import_grpc()
        self.timeout_s = math.inf
        """How long a call may take."""
        self.name = ""
        """Of the pipeline, where a server has several; empty: its first."""
        self._turns: Iterator[GrpcChannel] | None = None
        self._channels: list[GrpcChannel] = []

    def connect(self, endpoints: Sequence[str]) -> None:
        """Say where the servers are: calls go to one after the other. No connection is opened before the first call.

        Args:
            endpoints: `host:port` of equal servers.

        Raises:
            BadConfig: none, or one that is not `host:port`.
        """
        addresses = [endpoints] if isinstance(endpoints, str) else list(endpoints)
        if not addresses:
            raise BadConfig("connect() needs at least one endpoint, as in ['127.0.0.1:9998']")
        self.release()
        self._channels = [GrpcChannel(HttpAddress.parse(address)) for address in addresses]
        self._turns = itertools.cycle(self._channels)

    def predict(
        self,
        feed_dict: Mapping[str, Any],
        fetch: Sequence[str] | None = None,
        asyn: bool = False,
        pack_tensor_format: bool = False,
        use_tensor_bytes: bool = False,
        profile: bool = False,
        log_id: int = 0,
    ) -> Any:
        """Call the pipeline.

        Args:
            feed_dict: texts, arrays and lists by name. `logid` and `clientip` are fields of the request instead. Not
                modified.
            fetch: accepted as in Paddle Serving, without effect: the last op decides what comes back.
            asyn: return at once; what is returned has the answer as `result()`.
            pack_tensor_format: send arrays as tensors, and not as their text.
            use_tensor_bytes: send these in the format of numpy.save.
            profile: ask for the times of each step; they come under the key `pipeline.profile`.
            log_id: for the server's log.

        Returns:
            The answer: `err_no`, `err_msg`, and `key` beside `value`; or a `PipelineFuture`.

        Raises:
            TypeError: feed_dict is no dict, fetch no list, or a value neither text, array nor list.
            ServingError: the call failed: nobody was reached, it took too long, or it was refused.
        """
        if not isinstance(feed_dict, Mapping):
            raise TypeError(f"feed must be dict type with format: {{name: value}}, got {type(feed_dict).__name__}")
        if fetch is not None and not isinstance(fetch, list | tuple):
            raise TypeError(f"fetch must be list type with format: [name], got {type(fetch).__name__}")
        if self._turns is None:
            raise BadConfig("call connect() first: this client has no endpoints")
        request = self._request(feed_dict, pack_tensor_format, use_tensor_bytes, profile, log_id)
        answer = PipelineFuture(next(self._turns).send(_METHOD, encode_request(request), self.timeout_s))
        if asyn:
            return answer
        started = time.perf_counter()
        response = answer.result()
        logger.debug("PipelineClient::predict log_id=%d: %.3f ms", log_id, (time.perf_counter() - started) * 1000)
        return response

    def release(self) -> None:
        """Close the connections. `connect` may be called again."""
        for channel in self._channels:
            channel.close()
        self._channels, self._turns = [], None

    def _request(
        self, feed: Mapping[str, Any], as_tensors: bool, as_npy: bool, profile: bool, log_id: int
    ) -> PipelineRequest:
        key: list[str] = []
        value: list[str] = []
        tensors: list[PipelineTensor] = []
        for name, given in feed.items():
            if name in _IN_THE_REQUEST:
                continue
            if isinstance(given, str):
                key.append(name)
                value.append(given)
            elif not isinstance(given, np.ndarray | list):
                raise TypeError(f"only str and np.ndarray type is supported: {name!r} is a {type(given).__name__}")
            elif as_tensors:
                tensors.append(_tensor(name, given, as_npy))
            else:
                with np.printoptions(threshold=sys.maxsize):
                    key.append(name)
                    value.append(repr(given))
        if profile:
            key.append(PROFILE)
            value.append("1")
        client_ip = feed.get("clientip")
        return PipelineRequest(
            key=tuple(key),
            value=tuple(value),
            tensors=tuple(tensors),
            name=self.name,
            log_id=log_id or _whole(feed.get("logid")),
            client_ip=str(client_ip) if client_ip is not None else _own_address(),
        )


def _tensor(name: str, given: Any, as_npy: bool) -> PipelineTensor:
    array = np.asarray(given)
    if array.dtype.kind == "U" and not as_npy:
        return tensor_of(name, "".join(array.ravel().tolist()))
    try:
        return tensor_of(name, array, as_npy)
    except (BadPacket, ValueError) as exc:
        raise TypeError(f"only str and np.ndarray type is supported: {exc}") from exc


def _whole(log_id: object) -> int:
    return int(log_id) if isinstance(log_id, int | str) else 0


def _own_address() -> str:
    """This machine's address, where its name has one."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"
