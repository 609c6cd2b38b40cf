"""org.pytorch.serve.grpc.inference.InferenceAPIsService: TorchServe's predictions over gRPC."""

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Final

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Request, Response
from paddle_serving_client.wire import torchserve_proto as proto
from paddle_serving_client.wire.grpc import Status
from paddle_serving_client.wire.torchserve_proto import PredictionsRequest
from paddle_serving_server.dataplane import torchserve_about, torchserve_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.torchserve_refused import Refused
from paddle_serving_server.protocols.grpc import torchserve_words as words
from paddle_serving_server.protocols.grpc.services import Bidirectional, Message, Method, ServerStreaming, Streaming

_SEQUENCE_ID: Final = "ts_request_sequence_id"
_SEQUENCE_START: Final = "ts_request_sequence_start"
_SEQUENCE_END: Final = "ts_request_sequence_end"


async def _ping(plane: DataPlane, call: Call, message: Message) -> bytes:
    words.refuse_without_token(plane, call)
    return proto.encode_health(words.pretty({"status": torchserve_about.health(plane.catalogue)}))


async def _predictions(plane: DataPlane, call: Call, message: Message) -> bytes:
    """One answer; where the handler sends it in parts, all of them one behind the other."""
    response = await _infer(plane, call, proto.decode_predictions(message))
    if response.parts is None:
        return proto.encode_prediction(torchserve_calls.as_bytes(response)[0])
    parts = plane.parts(call, response.parts, lambda part: torchserve_calls.as_bytes(part)[0])
    return proto.encode_prediction(b"".join([part async for part in parts]))


async def _stream(plane: DataPlane, call: Call, message: Message) -> AsyncGenerator[bytes, None]:
    """The parts of one answer; one, where the handler does not send it in parts."""
    asked = proto.decode_predictions(message)
    call.deadline = time.monotonic() + plane.limits.request_s
    async for part in _parts(await _infer(plane, call, asked)):
        yield proto.encode_prediction(part)


async def _stream_both(plane: DataPlane, call: Call, messages: AsyncIterator[Message]) -> AsyncGenerator[bytes, None]:
    """The answers to the requests of a sequence, in their order; what fails is an answer, and does not end it."""
    async for message in messages:
        asked = proto.decode_predictions(message)
        starts = asked.inputs.get(_SEQUENCE_START, b"").lower() == b"true"
        sequence = asked.sequence or (f"ts-seq-{uuid.uuid4()}" if starts else "")
        call.deadline = time.monotonic() + plane.limits.request_s
        try:
            if not sequence:
                raise Refused(400, "BadRequestException", "Parameter sequenceId is required.")
            headers = {_SEQUENCE_ID: sequence, **({_SEQUENCE_START: "true"} if not asked.sequence else {})}
            if asked.inputs.get(_SEQUENCE_END, b"").lower() == b"true":
                headers[_SEQUENCE_END] = "true"
            async for part in _parts(await _infer(plane, call, asked, headers)):
                yield proto.encode_prediction(part, sequence)
        except ServingError as exc:
            status, text = words.status_of(exc) or (Status.INTERNAL, str(exc))
            yield proto.encode_failure(status, text.partition("\n")[0], sequence)


async def _infer(
    plane: DataPlane, call: Call, asked: PredictionsRequest, headers: Mapping[str, str] | None = None
) -> Response:
    words.refuse_without_token(plane, call)
    if not asked.model:
        raise Refused(400, "BadRequestException", "Parameter model_name is required.")
    torchserve_calls.give_time(plane, call, asked.model, asked.version)
    call.service = asked.model
    request = Request(
        model=asked.model,
        version=asked.version,
        instances=[dict(asked.inputs)],
        headers=headers or {},
        id=str(uuid.uuid4()),
        deadline=call.deadline,
    )
    return await torchserve_calls.infer(plane, call, request)


async def _parts(response: Response) -> AsyncGenerator[bytes, None]:
    if response.parts is None:
        yield torchserve_calls.as_bytes(response)[0]
        return
    try:
        async for part in response.parts:
            yield torchserve_calls.as_bytes(part)[0]
    finally:
        await response.parts.aclose()


API = "torchserve"
NAMES = (proto.INFERENCE_SERVICE,)
METHODS: Mapping[str, Method] = {"Ping": _ping, "Predictions": _predictions}
STREAMS: Mapping[str, Streaming] = {
    "StreamPredictions": ServerStreaming(_stream),
    "StreamPredictions2": Bidirectional(_stream_both),
}
status_of = words.status_of
exists = words.is_torchserve
