"""Requests and answers of a handler, as a model.py has them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from paddle_serving_app.handler import Failure, HandlerRequest
from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_app.triton import serving
from paddle_serving_app.triton.backend_utils.errors import TritonError
from paddle_serving_app.triton.backend_utils.messages import (
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_END,
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
    InferenceRequest,
    InferenceResponse,
)
from paddle_serving_app.triton.backend_utils.tensor import Tensor
from paddle_serving_app.triton.config import TensorConfig, TritonModelConfig
from paddle_serving_app.triton.python.link import Link
from paddle_serving_client.message import Array

STATUS: Final = {
    TritonError.UNKNOWN: 500,
    TritonError.INTERNAL: 500,
    TritonError.NOT_FOUND: 404,
    TritonError.INVALID_ARG: 400,
    TritonError.UNAVAILABLE: 503,
    TritonError.UNSUPPORTED: 501,
    TritonError.ALREADY_EXISTS: 409,
    TritonError.CANCELLED: 499,
}
"""Of answers over HTTP, as Triton's; the codes of gRPC follow from them."""
_OWN_FIELDS: Final = ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout")
"""Parameters of KServe v2 that a model.py is not shown among those of the caller."""


def signature_of(config: TritonModelConfig) -> Signature:
    """What callers send and get, with the batch axis where the model has one."""
    rows = (-1,) if config.max_batch_size else ()
    inputs = tuple(_input(tensor, rows) for tensor in config.inputs)
    outputs = tuple(Output(tensor.name, tensor.name, tensor.elem_type, tensor.dims) for tensor in config.outputs)
    return Signature(inputs, outputs)


def _input(tensor: TensorConfig, rows: tuple[int, ...]) -> Input:
    return Input(
        tensor.name,
        tensor.name,
        tensor.elem_type,
        (*rows, *tensor.dims),
        may_be_empty=True,
        is_optional=tensor.optional,
    )


class Conversion:
    """From and to the messages of one model."""

    def __init__(self, config: TritonModelConfig) -> None:
        self._config = config
        has_rows = config.max_batch_size > 0
        self._to_model = serving.reshapes(config.inputs, has_rows, to_model=True)
        self._to_caller = serving.reshapes(config.outputs, has_rows, to_model=False)
        self._all_outputs = [tensor.name for tensor in config.outputs]

    def request(self, asked: HandlerRequest, link: Link) -> InferenceRequest:
        """A request of a caller; of its inputs those are there that came.

        Raises:
            Failure: it carries no tensors.
        """
        if asked.tensors is None:
            raise Failure("this model takes tensors", STATUS[TritonError.INVALID_ARG], is_callers=True)
        parameters = dict(asked.parameters)
        about = {name: parameters.pop(name, None) for name in _OWN_FIELDS}
        flags = TRITONSERVER_REQUEST_FLAG_SEQUENCE_START if about["sequence_start"] else 0
        flags |= TRITONSERVER_REQUEST_FLAG_SEQUENCE_END if about["sequence_end"] else 0
        return InferenceRequest(
            request_id=asked.id,
            correlation_id=about["sequence_id"] or 0,
            inputs=[self._tensor(name, array) for name, array in asked.tensors.items()],
            requested_output_names=list(asked.fetch) or self._all_outputs,
            model_name=self._config.name,
            flags=flags,
            timeout=int(about["timeout"] or 0),
            parameters=parameters,
            link=link,
        )

    def _tensor(self, name: str, array: Array) -> Tensor:
        reshape = self._to_model.get(name)
        return Tensor(name, array if reshape is None else reshape.apply(array))

    def result(self, answer: InferenceResponse) -> Any:
        """An answer as a handler gives it: outputs by name, or a `Failure`."""
        if (error := answer.error()) is not None:
            text, code = error.message(), error.code()
            return Failure(text, STATUS[code], is_callers=code == TritonError.INVALID_ARG)
        outputs: dict[str, Array] = {}
        for output in answer.output_tensors():
            name, array = output.name(), output.as_sent()
            reshape = self._to_caller.get(name)
            outputs[name] = array if reshape is None else reshape.apply(array)
        return outputs


def joined(config: TritonModelConfig, requests: Sequence[HandlerRequest]) -> list[list[HandlerRequest]]:
    """The requests in the order in which they came, in lists that `execute` may be given.

    Without dynamic batching each is alone. With it those go together that have the same inputs in the same shapes but
    for the batch axis, up to `max_batch_size` rows.
    """
    if config.dynamic_batching is None or not config.max_batch_size:
        return [[request] for request in requests]
    lists: list[list[HandlerRequest]] = []
    rows, kind = 0, None
    for request in requests:
        count, its_kind = _rows_of(request.tensors), _kind_of(request.tensors)
        if not lists or its_kind != kind or rows + count > config.max_batch_size:
            lists.append([])
            rows, kind = 0, its_kind
        lists[-1].append(request)
        rows += count
    return lists


def _rows_of(tensors: Mapping[str, Array] | None) -> int:
    return max((len(array) for array in (tensors or {}).values()), default=1)


def _kind_of(tensors: Mapping[str, Array] | None) -> Mapping[str, tuple[int, ...]]:
    return {name: array.shape[1:] for name, array in (tensors or {}).items()}
