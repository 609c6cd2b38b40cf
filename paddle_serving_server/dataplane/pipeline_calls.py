"""A call of PipelineService, whatever carried it: gRPC, or HTTP with JSON. Its errors are answers, too."""

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
    call.service = plane.catalogue.pipeline(wire.name).name
    response = await plane.infer(call, replace(wire.as_request(call.deadline), model=call.service))
    if not isinstance(response.result, PipelineResponse):
        raise BackendFailed(f"pipeline {call.service!r} gave what is no answer of a pipeline")
    call.err_no = response.result.err_no
    return response.result


def refusal(error: ServingError) -> PipelineResponse:
    """What callers of a pipeline get for an error."""
    return PipelineResponse.refusal(error.number, str(error))
