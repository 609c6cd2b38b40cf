"""PipelineService: texts and arrays for a pipeline. Its errors are in the reply, as its callers expect them."""

from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire import pipeline
from paddle_serving_server.dataplane import pipeline_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane


async def _inference(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    return pipeline.encode_response(await pipeline_calls.infer(plane, call, pipeline.decode_request(message)))


def refusal(error: ServingError) -> bytes:
    """The reply to who cannot be answered."""
    return pipeline.encode_response(pipeline_calls.refusal(error))


API = "paddle"
NAMES = (pipeline.SERVICE,)
METHODS = {pipeline.METHOD: _inference}
