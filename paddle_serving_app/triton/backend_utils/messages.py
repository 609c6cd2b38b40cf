"""`InferenceRequest`, `InferenceResponse` and the sender of the latter, as a model.py knows them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from paddle_serving_app.triton.backend_utils import host
from paddle_serving_app.triton.backend_utils.errors import TritonError, TritonModelException
from paddle_serving_app.triton.backend_utils.host import Call, Link
from paddle_serving_app.triton.backend_utils.tensor import Tensor

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START: Final = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END: Final = 2
TRITONSERVER_RESPONSE_COMPLETE_FINAL: Final = 1
TRITONSERVER_REQUEST_RELEASE_ALL: Final = 1
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE: Final = 2
TRITONSERVER_MEMORY_CPU: Final = 0
TRITONSERVER_MEMORY_GPU: Final = 2
Parameters = Mapping[str, bool | int | float | str]


class PreferredMemory:
    """Where the outputs of another model are wanted; they are always in the memory of the processor."""

    def __init__(self, preferred_memory_type: int, preferred_device_id: int = 0) -> None:
        """Take one of TRITONSERVER_MEMORY_CPU and _GPU, and the number of a GPU."""
        self.preferred_memory_type, self.preferred_device_id = preferred_memory_type, preferred_device_id


class InferenceResponse:
    """An answer: its outputs, or what went wrong."""

    def __init__(
        self,
        output_tensors: Sequence[Tensor] | None = None,
        error: TritonError | str | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        """Take the outputs, or an error, which makes outputs count for nothing.

        Raises:
            TritonModelException: an output is no `Tensor`, two have one name, or a parameter is no number, text or
                truth value.
        """
        outputs = list(output_tensors or ())
        for output in outputs:
            if not isinstance(output, Tensor):
                raise TritonModelException(f"an output must be a pb_utils.Tensor, got {type(output).__name__}")
        names = [output.name() for output in outputs]
        if len(set(names)) < len(names):
            twin = next(name for name in names if names.count(name) > 1)
            raise TritonModelException(f"output '{twin}' is there more than once")
        self._outputs = outputs
        self._error = TritonError(error) if isinstance(error, str | Exception) else error
        self._parameters = _checked(parameters)

    def output_tensors(self) -> list[Tensor]:
        """The outputs."""
        return self._outputs

    def has_error(self) -> bool:
        """Whether something went wrong."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """What went wrong."""
        return self._error

    def parameters(self) -> str:
        """What goes with the answer, as JSON."""
        return json.dumps(self._parameters)


class ResponseSender:
    """Sends the answers to one request of a decoupled model; any thread may."""

    def __init__(self, link: Link) -> None:
        """Use `InferenceRequest.get_response_sender`."""
        self._link = link
        self._is_closed = False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send an answer.

        Args:
            response: the answer; it may be left out with the last flag.
            flags: TRITONSERVER_RESPONSE_COMPLETE_FINAL with the last one, or after it.

        Raises:
            TritonModelException: the last one was sent, nothing is to be sent, or there is no such flag.
        """
        if flags not in (0, TRITONSERVER_RESPONSE_COMPLETE_FINAL):
            raise TritonModelException("Unable to send response. Unsupported flag provided.")
        if self._is_closed:
            raise TritonModelException("Unable to send response. Response sender has been closed.")
        if response is None and flags == 0:
            raise TritonModelException(
                "Inference Response object must be provided when the response flags is set to zero."
            )
        if response is not None and not isinstance(response, InferenceResponse):
            raise TritonModelException(f"an answer must be a pb_utils.InferenceResponse, got {type(response).__name__}")
        self._is_closed = flags == TRITONSERVER_RESPONSE_COMPLETE_FINAL
        self._link.send(response, self._is_closed)

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._link.is_cancelled()


class InferenceRequest:
    """A request: that of a caller, or one that a model.py makes to another model."""

    def __init__(
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Sequence[Tensor] = (),
        requested_output_names: Sequence[str] = (),
        model_name: str = "",
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory | None = None,
        trace: object = None,
        parameters: Parameters | None = None,
        *,
        link: Link | None = None,
    ) -> None:
        """Make a request to another model; `link` is that of a caller's.

        Args:
            request_id: comes back with the answer.
            correlation_id: of a sequence.
            inputs: for the model.
            requested_output_names: the outputs that are wanted.
            model_name: whom it is for.
            model_version: its version; -1: any that is served.
            flags: TRITONSERVER_REQUEST_FLAG_SEQUENCE_START and _END.
            timeout: in microseconds; 0: none of its own.
            preferred_memory: is without effect.
            trace: is without effect.
            parameters: what goes with it.
            link: to the caller.

        Raises:
            TritonModelException: an input is no `Tensor`, or a parameter no number, text or truth value.
        """
        for given in inputs:
            if not isinstance(given, Tensor):
                raise TritonModelException(f"an input must be a pb_utils.Tensor, got {type(given).__name__}")
        self._request_id, self._correlation_id = request_id, correlation_id
        self._inputs, self._outputs = list(inputs), list(requested_output_names)
        self._model_name, self._model_version = model_name, model_version
        self._flags, self._timeout, self._preferred_memory = flags, timeout, preferred_memory or PreferredMemory(0)
        self._trace, self._parameters, self._link = trace, _checked(parameters), link
        self._release_flags = TRITONSERVER_REQUEST_RELEASE_ALL

    def inputs(self) -> list[Tensor]:
        """Its inputs; those are missing that are optional and did not come."""
        return self._inputs

    def request_id(self) -> str:
        """What its caller calls it; empty where nothing."""
        return self._request_id

    def correlation_id(self) -> int | str:
        """The sequence it belongs to; 0 where none."""
        return self._correlation_id

    def requested_output_names(self) -> list[str]:
        """The outputs that its caller wants."""
        return self._outputs

    def parameters(self) -> str:
        """What came with it, as JSON."""
        return json.dumps(self._parameters)

    def model_name(self) -> str:
        """Whom it is for."""
        return self._model_name

    def model_version(self) -> int:
        """The version it is for; -1: any."""
        return self._model_version

    def flags(self) -> int:
        """Whether a sequence begins or ends with it."""
        return self._flags

    def set_flags(self, flags: int) -> None:
        """Say whether a sequence begins or ends with it."""
        self._flags = flags

    def timeout(self) -> int:
        """How long its caller waits, in microseconds; 0 where nothing was said."""
        return self._timeout

    def preferred_memory(self) -> PreferredMemory:
        """Where outputs are wanted."""
        return self._preferred_memory

    def trace(self) -> object:
        """Nothing that a model.py could use but for handing it on."""
        return self._trace

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._link is not None and self._link.is_cancelled()

    def set_release_flags(self, flags: int) -> None:
        """Say whether it is done with, or is to come once more (TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)."""
        if flags not in (TRITONSERVER_REQUEST_RELEASE_ALL, TRITONSERVER_REQUEST_RELEASE_RESCHEDULE):
            raise TritonModelException(f"there are no release flags {flags}")
        self._release_flags = flags

    def release_flags(self) -> int:
        """What `set_release_flags` said."""
        return self._release_flags

    def get_response_sender(self) -> ResponseSender:
        """For a decoupled model, which answers when, and as often as, it likes.

        Raises:
            TritonModelException: it is no caller's request.
        """
        if self._link is None:
            raise TritonModelException("only a caller's request has a response sender")
        return ResponseSender(self._link)

    def exec(self, decoupled: bool = False, execution_timeout: int = 0) -> Any:
        """Ask the other model, and wait for its answer.

        Args:
            decoupled: whether any number of answers is wanted.
            execution_timeout: in microseconds, where the request has none itself.

        Returns:
            An `InferenceResponse`; of a decoupled call an iterator of them. What goes wrong is the error of a response.
        """
        answers = host.current().infer(self._call(decoupled, execution_timeout))
        return answers if decoupled else _only(list(answers))

    async def async_exec(self, decoupled: bool = False, execution_timeout: int = 0) -> Any:
        """As `exec`, in a coroutine; of a decoupled call an asynchronous iterator."""
        answers = host.current().infer_async(self._call(decoupled, execution_timeout))
        return answers if decoupled else _only([answer async for answer in answers])

    def _call(self, decoupled: bool, timeout_us: int) -> Call:
        if not self._model_name:
            raise TritonModelException("model_name is missing: whom is the request for?")
        return Call(
            model_name=self._model_name,
            model_version=self._model_version,
            inputs=self._inputs,
            outputs=self._outputs,
            request_id=self._request_id,
            correlation_id=self._correlation_id,
            flags=self._flags,
            parameters=self._parameters,
            timeout_us=self._timeout or timeout_us,
            decoupled=decoupled,
        )


def _only(answers: list[InferenceResponse]) -> InferenceResponse:
    if len(answers) != 1:
        text = f"{len(answers)} answers came instead of one: a decoupled model is asked with exec(decoupled=True)"
        return InferenceResponse(error=TritonError(text, TritonError.UNSUPPORTED))
    return answers[0]


def _checked(parameters: Parameters | None) -> dict[str, bool | int | float | str]:
    for key, value in (parameters or {}).items():
        if not isinstance(key, str) or not isinstance(value, bool | int | float | str):
            raise TritonModelException(f"parameter {key!r} must be a number, a text or a truth value, got {value!r}")
    return dict(parameters or {})
