"""PipelineService: texts and arrays for a pipeline. Its errors are in the reply, as its callers expect them."""

from paddle_serving_client.wire import pipeline
from paddle_serving_server.services import pipeline_service
from paddle_serving_server.services.catalogue import Catalogue


async def _inference(catalogue: Catalogue, message: bytes | memoryview, deadline: float) -> bytes:
    call = pipeline.decode_request(message)
    return pipeline.encode_response(await pipeline_service.infer(catalogue, call, deadline, "grpc"))


NAMES = (pipeline.SERVICE,)
METHODS = {pipeline.METHOD: _inference}
