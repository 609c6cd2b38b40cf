"""A call of PipelineService, whatever carried it: gRPC, or HTTP with JSON. It is always answered, errors too."""

import time

from paddle_serving_client.wire.pipeline import PipelineRequest, PipelineResponse
from paddle_serving_server.counting import timing
from paddle_serving_server.counting.meter import UNKNOWN_SERVICE
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.user_code import faults


async def infer(catalogue: Catalogue, call: PipelineRequest, deadline: float, protocol: str) -> PipelineResponse:
    """Answer a call; what goes wrong is in the answer, as `err_no` and `err_msg`.

    Args:
        catalogue: where the pipeline of that name is.
        call: as it was read; its name may be empty, which is the first pipeline.
        deadline: on the clock of `time.monotonic`, in seconds.
        protocol: what carried it, as calls are counted by it.
    """
    started = time.monotonic()
    response = await _answer(catalogue, call, deadline)
    is_known = not call.name or catalogue.is_pipeline(call.name)
    if not response.err_no:
        catalogue.meter.answered(catalogue.pipeline(call.name).name, protocol, started)
    else:
        name = catalogue.pipeline(call.name).name if is_known else UNKNOWN_SERVICE
        catalogue.meter.failed(name, protocol, response.err_no)
    return response


async def _answer(catalogue: Catalogue, call: PipelineRequest, deadline: float) -> PipelineResponse:
    try:
        await catalogue.start.over(deadline)
        response = await faults.in_time(catalogue.pipeline(call.name).infer(call.as_request(deadline)), deadline)
    except BaseException as exc:
        error = faults.as_error(exc, f"log_id={call.log_id}")
        # Ops may give their callers numbers of their own.
        return PipelineResponse.refusal(getattr(error, "number", int(error.err_no)), str(error))
    timing.note(response.stages)
    assert isinstance(response.result, PipelineResponse)
    return response.result
