"""Op: one step of a pipeline, as its user writes it; RequestOp and ResponseOp, the two ends."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.pipeline import PipelineResponse
from paddle_serving_server.graph.pipeline.channel import ChannelData, ChannelDataErrcode, is_npdata
from paddle_serving_server.graph.pipeline.error_catch import OpFailed

REQUEST_NAME = "@DAGExecutor"
"""The name of the first end: under it the first op finds what the caller sent."""
Model = Callable[[Mapping[str, Any], int], Mapping[str, Any]]
"""Given a feed and a log id: the outputs by name. Blocks."""


class Op:
    """One step. Subclasses write any of `init_op`, `preprocess`, `process` and `postprocess`.

    What is not given here is said in config.yml under `op.NAME`. Each worker of an op has a copy of it of its own: what
    one step leaves on `self` the next one finds, and no other request sees it.
    """

    concurrency_idx: int | None = None
    """Number of this worker among those of its op, from 0."""

    def __init__(
        self,
        name: str | None = None,
        input_ops: "Sequence[Op] | Op | None" = None,
        server_endpoints: Sequence[str] | None = None,
        fetch_list: Sequence[str] | None = None,
        client_config: str | None = None,
        client_type: str | None = None,
        concurrency: int | None = None,
        timeout: int | None = None,
        retry: int | None = None,
        batch_size: int | None = None,
        auto_batching_timeout: int | None = None,
        local_service_handler: object = None,
        jump_to_ops: "Sequence[Op] | Op | None" = None,
    ) -> None:
        """Make a step.

        Args:
            name: in config.yml, and in `input_dicts` of the ops behind this one; else OpN.
            input_ops: the ops in front of this one.
            server_endpoints, fetch_list, client_config, client_type: a model of another server.
            concurrency: workers.
            timeout: milliseconds for one `process`; 0 or less: as long as the request has.
            retry: attempts of a `process` that takes too long.
            batch_size: requests that are given to `process` together.
            auto_batching_timeout: milliseconds the first of them waits for the others.
            local_service_handler: a `LocalServiceHandler`: a model of this server.
            jump_to_ops: ops behind this one, where its result goes when `check_jumping` says so.
        """
        self.name = name if name is not None else f"Op{next(_numbers)}"
        self.input_ops: list[Op] = []
        self.set_input_ops(input_ops or [])
        self.jump_to_ops: list[Op] = []
        self.set_jump_to_ops(jump_to_ops or [])
        self.given: dict[str, Any] = {
            "server_endpoints": server_endpoints,
            "fetch_list": fetch_list,
            "client_config": client_config,
            "client_type": client_type,
            "concurrency": concurrency,
            "timeout": timeout,
            "retry": retry or None,
            "batch_size": batch_size,
            "auto_batching_timeout": auto_batching_timeout,
            "local_service_conf": getattr(local_service_handler, "conf", None),
        }
        self.pack_tensor_format = False
        self.dynamic_shape_info: dict[str, Any] = {}
        self._model: Model | None = None

    def init_op(self) -> None:
        """Called once in each worker, before its first request."""

    def preprocess(
        self, input_dicts: dict[str, dict[str, Any]], data_id: int, log_id: int
    ) -> tuple[Any, bool, int | None, str]:
        """From the results of the ops in front to the feed of the model.

        Args:
            input_dicts: by the name of each op in front; of the first op it is one dict, as the caller sent it.
            data_id: number of the request in this server; log_id: the caller's.

        Returns:
            The feed, or a list of feeds; whether to skip `process`; a number for the caller that ends the request, or
            None; and the text that goes with it.
        """
        (feed,) = input_dicts.values()
        return feed, False, None, ""

    def process(self, feed_batch: list[dict[str, Any]], typical_logid: int) -> tuple[Any, int, str]:
        """Run the model.

        Args:
            feed_batch: one dict: the feeds of all requests of a batch, joined.
            typical_logid: the data id of the first of them.

        Returns:
            The outputs by name; an error number, 0 for none; and its text.
        """
        feed = feed_batch[0]
        if self._model is None:
            return feed, 0, ""
        for name, value in feed.items():
            is_text = isinstance(value, list) and bool(value) and isinstance(value[0], str)
            if not (isinstance(value, np.ndarray) or is_text):
                kind = type(value).__name__
                text = f"{self.name}: feed_batch must be npdata, but {name!r} is a {kind}; make it an array"
                return None, int(ChannelDataErrcode.TYPE_ERROR), text
        return dict(self._model(feed, typical_logid)), 0, ""

    def postprocess(
        self, input_dicts: dict[str, dict[str, Any]], fetch_data: Any, data_id: int, log_id: int
    ) -> tuple[Any, int | None, str]:
        """From the outputs of the model to what the ops behind this one find.

        Args:
            input_dicts: as for `preprocess`.
            fetch_data: the outputs by name; a list of those where `preprocess` gave a list; what `preprocess` gave
                where it skipped `process`.
            data_id, log_id: as for `preprocess`.

        Returns:
            A dict; a number for the caller that ends the request, or None; and the text that goes with it.
        """
        return (fetch_data if isinstance(fetch_data, dict) else {}), None, ""

    def check_jumping(self, input_data: Mapping[str, Any]) -> bool:
        """Whether the result goes straight to `jump_to_ops`, and the ops in between are left out."""
        return False

    def set_dynamic_shape_info(self) -> None:
        """Fill `self.dynamic_shape_info`: accepted as in Paddle Serving, without effect."""

    def set_input_ops(self, ops: "Sequence[Op] | Op") -> None:
        """Say which ops are in front of this one."""
        self.input_ops = _ops(ops, f"input_ops of {self.name}")

    def set_jump_to_ops(self, ops: "Sequence[Op] | Op") -> None:
        """Say where the result goes when `check_jumping` says so."""
        self.jump_to_ops = _ops(ops, f"jump_to_ops of {self.name}")

    def set_pack_tensor_format(self, is_tensor_format: bool = False) -> None:
        """Whether arrays go to another pipeline as tensors, not as their text."""
        self.pack_tensor_format = is_tensor_format

    def set_as_first_op(self) -> None:
        """Accepted as in Paddle Serving; the first op is the one behind RequestOp."""

    def use_model(self, model: Model | None) -> None:
        """What `process` calls; None: there is no model. Called by a worker."""
        self._model = model


class RequestOp(Op):
    """The first end: from the caller's message to the dict that the first op finds."""

    def __init__(self) -> None:
        super().__init__(name=REQUEST_NAME)

    def unpack_request_package(self, request: Any) -> tuple[dict[str, Any] | None, int | None, int | None, str]:
        """Unpack a message in a way of one's own.

        Args:
            request: a protobuf `pipeline_service_pb2.Request`.

        Returns:
            The dict; the log id; a number for the caller that ends the request, or None; and its text.
        """
        raise NotImplementedError  # where it is not overridden, nothing calls it: see `graph`


class ResponseOp(Op):
    """The last end: from the result of the last op to the caller's message."""

    def __init__(self, input_ops: Sequence[Op] | Op) -> None:
        super().__init__(name="@DAGExecutor-response", input_ops=input_ops)

    def pack_response_package(self, channeldata: ChannelData) -> Any:
        """Make the answer: a `PipelineResponse`, or a protobuf `pipeline_service_pb2.Response`."""
        if channeldata.error_code:
            return PipelineResponse.refusal(channeldata.error_code, channeldata.error_info)
        data = channeldata.parse() or {}
        if is_npdata(data):
            with np.printoptions(threshold=sys.maxsize):
                return PipelineResponse(key=tuple(map(str, data)), value=tuple(map(repr, data.values())))
        for name, value in data.items():
            if not isinstance(value, str):
                text = f"{REQUEST_NAME} fetch var type must be str({type(value)}). {str(name)[:64]!r} is none: "
                text += "postprocess of the last op must return texts, or nothing but arrays"
                raise OpFailed(ChannelDataErrcode.TYPE_ERROR, text)
        return PipelineResponse(key=tuple(map(str, data)), value=tuple(data.values()))


def positional(method: Callable[..., Any]) -> int:
    """How many arguments a method takes by position; a large number for `*args`."""
    function = getattr(method, "__func__", None)
    return _positional(method) if function is None else _positional(function) - 1


@lru_cache
def _positional(function: Callable[..., Any]) -> int:
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return sys.maxsize
    return sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)


def _ops(ops: Sequence[Op] | Op, what: str) -> list[Op]:
    found = [ops] if isinstance(ops, Op) else list(ops)
    for op in found:
        if not isinstance(op, Op):
            raise BadConfig(f"{what}: expected ops, got {type(op).__name__}")
    return found


_numbers = iter(range(sys.maxsize))
