"""The server as a model.py sees it: other models that it asks, by way of the questions that handlers may ask."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from paddle_serving_app.handler import Ask
from paddle_serving_app.triton.backend_utils.errors import TritonError, TritonModelException
from paddle_serving_app.triton.backend_utils.host import Call
from paddle_serving_app.triton.backend_utils.messages import (
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_END,
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
    InferenceResponse,
)
from paddle_serving_app.triton.backend_utils.tensor import Tensor
from paddle_serving_client import errors
from paddle_serving_client.errors import ServingError

_CODES: Final[tuple[tuple[type[ServingError], int], ...]] = (
    (errors.NoService, TritonError.NOT_FOUND),
    (errors.NoMethod, TritonError.UNSUPPORTED),
    (errors.BadInput, TritonError.INVALID_ARG),
    (errors.Busy, TritonError.UNAVAILABLE),
    (errors.DeadlineExceeded, TritonError.UNAVAILABLE),
)


class Server:
    """See `backend_utils.host.Host`."""

    def __init__(self, ask: Ask, folder: Path) -> None:
        """`folder` is that of the version that is run."""
        self._ask = ask
        self._folder = folder

    def infer(self, call: Call) -> Iterator[InferenceResponse]:
        """See `backend_utils.host.Host.infer`."""
        try:
            answer = self._ask(call.model_name, _version(call), **_question(call))
        except ServingError as exc:
            return iter([_failed(exc)])
        return iter(_responses(answer))

    async def infer_async(self, call: Call) -> AsyncIterator[InferenceResponse]:
        """See `backend_utils.host.Host.infer_async`."""
        try:
            answer = await asyncio.wrap_future(self._ask.begin(call.model_name, _version(call), **_question(call)))
        except ServingError as exc:
            yield _failed(exc)
            return
        for response in _responses(answer):
            yield response

    def is_model_ready(self, name: str, version: str) -> bool:
        """See `backend_utils.host.Host.is_model_ready`."""
        raise TritonModelException("is_model_ready cannot be asked here; ask the model, and look at has_error()")

    def load_model(self, name: str, config: str, files: Mapping[str, bytes]) -> None:
        """See `backend_utils.host.Host.load_model`."""
        raise TritonModelException("models cannot be loaded from a model.py here; POST /v2/repository/models/NAME/load")

    def unload_model(self, name: str, unload_dependents: bool) -> None:
        """See `backend_utils.host.Host.unload_model`."""
        raise TritonModelException(
            "models cannot be unloaded from a model.py here; POST /v2/repository/models/NAME/unload"
        )

    def model_dir(self) -> str:
        """See `backend_utils.host.Host.model_dir`."""
        return str(self._folder)


def _version(call: Call) -> str:
    return "" if call.model_version < 0 else str(call.model_version)


def _question(call: Call) -> dict[str, Any]:
    parameters = dict(call.parameters)
    if call.correlation_id:
        parameters["sequence_id"] = call.correlation_id
        parameters["sequence_start"] = bool(call.flags & TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)
        parameters["sequence_end"] = bool(call.flags & TRITONSERVER_REQUEST_FLAG_SEQUENCE_END)
    question: dict[str, Any] = {
        "tensors": {tensor.name(): tensor.as_sent() for tensor in call.inputs},
        "fetch": list(call.outputs),
        "parameters": parameters,
        "id": call.request_id,
    }
    return {**question, "timeout_s": call.timeout_us / 1e6} if call.timeout_us else question


def _responses(answer: Any) -> list[InferenceResponse]:
    """One for each part of an answer in parts, else the one."""
    return [_response(part) for part in (answer if isinstance(answer, list) else [answer])]


def _response(outputs: Any) -> InferenceResponse:
    if not isinstance(outputs, Mapping) or not all(isinstance(array, np.ndarray) for array in outputs.values()):
        return InferenceResponse(
            error=TritonError("the model that was asked gives no tensors", TritonError.UNSUPPORTED)
        )
    return InferenceResponse([Tensor(name, array) for name, array in outputs.items()])


def _failed(raised: ServingError) -> InferenceResponse:
    code = next((code for kind, code in _CODES if isinstance(raised, kind)), TritonError.INTERNAL)
    return InferenceResponse(error=TritonError(str(raised), code))
