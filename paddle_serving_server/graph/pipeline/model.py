"""What an op's `process` asks: an engine of this server, a model of another server, or another pipeline."""

import asyncio
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from paddle_serving_client.client import Client
from paddle_serving_client.errors import DeadlineExceeded
from paddle_serving_client.httpclient import HttpClient
from paddle_serving_client.message import Request
from paddle_serving_client.pipeline_client import PipelineClient
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.feed import as_tensors, outputs_of
from paddle_serving_server.engine.interface import Engine, answer
from paddle_serving_server.graph.pipeline.config import RemoteModel
from paddle_serving_server.graph.pipeline.error_catch import OpFailed


class BlockingModel(Protocol):
    """A model as a worker's thread calls it; each worker has its own."""

    deadline: float
    """When the requests that are in work must be answered, on the clock of `time.monotonic`."""

    def __call__(self, feed: Mapping[str, Any], log_id: int) -> Mapping[str, Any]:
        """The outputs by name for a feed that has the batch axis.

        Raises:
            ServingError: the feed is wrong, or the model failed.
        """


class EngineModel:
    """An engine, asked from a thread, or on its event loop."""

    def __init__(self, engine: Engine, fetch: Sequence[str], timeout_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self.deadline = math.inf
        self._engine = engine
        self._fetch = tuple(fetch)
        self._timeout_s = timeout_s or math.inf
        self._loop = loop

    def __call__(self, feed: Mapping[str, Any], log_id: int) -> Mapping[str, Any]:
        return asyncio.run_coroutine_threadsafe(self.answer(feed, log_id, self.deadline), self._loop).result()

    async def answer(self, feed: Mapping[str, Any], log_id: int, deadline: float) -> Mapping[str, Any]:
        """As a call, for requests that must be answered by a moment on the clock of `time.monotonic`."""
        deadline = min(deadline, time.monotonic() + self._timeout_s)
        tensors, lods = as_tensors(self._engine.signature, feed, True)
        request = Request(tensors=tensors, lods=lods, fetch=self._fetch, log_id=log_id, deadline=deadline)
        with Context.of(request) as context:
            return outputs_of(await answer(self._engine, request, context))


class ClientModel:
    """A model of another server, over RPC."""

    def __init__(self, remote: RemoteModel, timeout_s: float) -> None:
        self.deadline = math.inf
        self._fetch = list(remote.fetch)
        self._timeout_s = timeout_s or math.inf
        self._client = Client(raise_errors=True)
        self._client.load_client_config(remote.client_config)
        if remote.key:
            self._client.use_key(remote.key)
        self._client.connect(list(remote.endpoints), encryption=bool(remote.key))

    def __call__(self, feed: Mapping[str, Any], log_id: int) -> Mapping[str, Any]:
        self._client.rpc_timeout_ms = left_ms(self.deadline, self._timeout_s)
        outputs: Mapping[str, Any] = self._client.predict(dict(feed), self._fetch, batch=True, log_id=log_id)
        return outputs


class GrpcModel:
    """A model of other servers, over gRPC, each in its turn."""

    def __init__(self, remote: RemoteModel, timeout_s: float) -> None:
        self.deadline = math.inf
        self._fetch = list(remote.fetch)
        self._timeout_s = timeout_s or math.inf
        clients = [self._client(remote, endpoint) for endpoint in remote.endpoints]
        self._turns = itertools.cycle(clients)

    def _client(self, remote: RemoteModel, endpoint: str) -> HttpClient:
        client = HttpClient(raise_errors=True, as_numpy=True)
        client.load_client_config(remote.client_config)
        if remote.key:
            client.use_key(remote.key)
        client.set_use_grpc_client(True)
        client.connect(endpoint, encryption=bool(remote.key))
        return client

    def __call__(self, feed: Mapping[str, Any], log_id: int) -> Mapping[str, Any]:
        client = next(self._turns)
        client.set_timeout_ms(left_ms(self.deadline, self._timeout_s))
        outputs: Mapping[str, Any] = client.predict(dict(feed), self._fetch, batch=True, log_id=log_id)
        return outputs


class PipelineModel:
    """Another pipeline, over gRPC: its texts and arrays by name."""

    def __init__(self, remote: RemoteModel, timeout_s: float, as_tensors: bool) -> None:
        self.deadline = math.inf
        self._timeout_s = timeout_s or math.inf
        self._as_tensors = as_tensors
        self._client = PipelineClient()
        self._client.connect(list(remote.endpoints))

    def __call__(self, feed: Mapping[str, Any], log_id: int) -> Mapping[str, Any]:
        self._client.timeout_s = left_ms(self.deadline, self._timeout_s) / 1000
        response = self._client.predict(dict(feed), pack_tensor_format=self._as_tensors, log_id=log_id)
        if response.err_no:
            raise OpFailed(response.err_no, response.err_msg)
        return dict(zip(response.key, response.value, strict=True))


def remote_model(remote: RemoteModel, timeout_s: float, as_tensors: bool) -> BlockingModel:
    """A model of other servers, or another pipeline, which gets arrays as their texts or `as_tensors`."""
    if remote.client_type == "pipeline_grpc":
        return PipelineModel(remote, timeout_s, as_tensors)
    return (GrpcModel if remote.client_type == "grpc" else ClientModel)(remote, timeout_s)


def left_ms(deadline: float, timeout_s: float) -> int:
    """Milliseconds that a call may take; 200 s where nothing else is said.

    Raises:
        DeadlineExceeded: none are left.
    """
    left_s = min(deadline - time.monotonic(), timeout_s, 200.0)
    if left_s <= 0:
        raise DeadlineExceeded("no time was left to ask the model")
    return max(1, int(left_s * 1000))
