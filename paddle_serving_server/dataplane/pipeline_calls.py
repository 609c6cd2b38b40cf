"""A call of PipelineService, whatever carried it: gRPC, or HTTP with JSON. Its errors are answers, too."""

import time
from dataclasses import replace

from paddle_serving_client.errors import BackendFailed, ServingError
from paddle_serving_client.wire.pipeline import PipelineRequest, PipelineResponse
from paddle_serving_server.counting.meter import UNKNOWN_SERVICE
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane


async def infer(plane: DataPlane, call: Call, wire: PipelineRequest) -> PipelineResponse:
    """Have a pipeline answer; a name that is empty is the first one's.

    Raises:
        ServingError: there is no answer; callers are told by `refusal`.
    """
    call.service = wire.name or UNKNOWN_SERVICE
    await plane.catalogue.start.over(call.deadline)
    pipeline = plane.catalogue.pipeline(wire.name)
    call.service = pipeline.name
    began = time.monotonic()
    request = replace(wire.as_request(call.deadline, is_raw=pipeline.takes_raw), model=pipeline.name)
    unpacked = time.monotonic()
    answer = PipelineResponse.of(await plane.infer(call, request))
    if answer is None:
        raise BackendFailed(f"pipeline {call.service!r} gave what is no answer of a pipeline")
    unpack, *others = call.stages
    call.stages = (unpack._replace(ms=unpack.ms + (unpacked - began) * 1000, began=began), *others)
    call.err_no = answer.err_no
    return answer


def refusal(error: ServingError) -> PipelineResponse:
    """What callers of a pipeline get for an error."""
    return PipelineResponse.refusal(error.number, str(error))
