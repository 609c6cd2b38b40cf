"""An op in an engine process, as a handler: runs the service file, takes the op out, and answers lists of requests.

See `op_packets` for what passes, and `paddle_serving_app.handler.Kind` for what is loaded.
"""

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from paddle_serving_app import fault_place
from paddle_serving_app.handler import Ask, Handler, HandlerContext, HandlerRequest, HandlerSpec, Spent
from paddle_serving_client.errors import BadConfig, BadModel, ServingError
from paddle_serving_server.engine import values
from paddle_serving_server.graph.pipeline import op_packets
from paddle_serving_server.graph.pipeline.config import LocalModel, OpConfig
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode
from paddle_serving_server.graph.pipeline.model import BlockingModel, remote_model
from paddle_serving_server.graph.pipeline.op import Op
from paddle_serving_server.graph.pipeline.pipeline import Pipeline
from paddle_serving_server.graph.pipeline.step import Outcome, is_full, run_batch
from paddle_serving_server.user_code import hosting

logger = logging.getLogger(__name__)

_SOMEWHERE: Final = ""
"""In the place of a service's name, in a question for the op's own model."""


def load(spec: HandlerSpec, context: HandlerContext) -> "ProcessOp":
    """See `handler.Kind.load`; calls `init_op`."""
    name = spec.settings["op"]
    try:
        pipeline = _pipeline(spec)
    except Exception as exc:
        logger.exception("the code of op %s cannot be run", name)
        raise BadModel(f"op {name!r}: {fault_place.told(exc, [Path(spec.path).parent])}") from exc
    op, config = pipeline.op(name), pipeline.settings(name)
    model = _model(op, config, context.ask)
    op.concurrency_idx = context.instance
    op.use_model(model)
    try:
        op.init_op()
    except BaseException as exc:
        logger.exception("init_op of op %s failed", name)
        raise BadModel(f"op {name!r}: init_op failed: {type(exc).__name__}: {exc}") from exc
    return ProcessOp(op, config, model)


class ProcessOp(Handler):
    """See `handler.Handler`."""

    max_requests = 1
    """Each has all requests of a batch in it."""

    def __init__(self, op: Op, config: OpConfig, model: BlockingModel | None) -> None:
        self._op = op
        self._config = config
        self._model = model
        self._left: list[threading.Thread] = []

    def handle(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        """See `handler.Handler.handle`."""
        (request,) = requests
        assert request.instances is not None
        if self._model is not None:
            self._model.deadline = request.deadline
        jobs = op_packets.read_requests(request.instances)
        made = run_batch(self._op, self._config, jobs, self._left)
        results = [op_packets.outcomes([_fit_to_travel(outcome) for outcome in made])]
        if is_full(self._left):
            raise Spent(results, f"{len(self._left)} calls of process hang in op {self._op.name}")
        return results

    def close(self) -> None:
        """See `handler.Handler.close`."""


class _AskedModel:
    """An engine of the server, asked by way of the front that gave the requests."""

    def __init__(self, ask: Ask, timeout_s: float) -> None:
        self.deadline = math.inf
        self._ask = ask
        self._timeout_s = timeout_s or None

    def __call__(self, feed: Mapping[str, Any], log_id: int) -> Mapping[str, Any]:
        outputs: Mapping[str, Any] = self._ask(_SOMEWHERE, feed=dict(feed), log_id=log_id, timeout_s=self._timeout_s)
        return outputs


def _model(op: Op, config: OpConfig, ask: Ask) -> BlockingModel | None:
    if config.model is None:
        return None
    if isinstance(config.model, LocalModel):
        return _AskedModel(ask, config.timeout_s)
    return remote_model(config.model, config.timeout_s, op.pack_tensor_format)


def _pipeline(spec: HandlerSpec) -> Pipeline:
    for service in hosting.services_of(spec.path, spec.settings["argv"]):
        pipeline = getattr(service, "pipeline", None)
        if service.name == spec.settings["service"] and isinstance(pipeline, Pipeline):
            return pipeline
    raise BadConfig(f"{spec.path} makes no pipeline {spec.settings['service']!r} in a second process")


def _fit_to_travel(outcome: Outcome) -> Outcome:
    """The outcome, or an error of its own where it cannot go to another process."""
    try:
        values.to_arrays(outcome.data)
    except ServingError as exc:
        return Outcome(None, int(ChannelDataErrcode.TYPE_ERROR), f"postprocess gave what cannot travel: {exc}")
    return outcome
