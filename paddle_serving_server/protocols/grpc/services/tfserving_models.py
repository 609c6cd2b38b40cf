"""tensorflow.serving.ModelService: versions of a model, and which models are served."""

from collections.abc import Mapping

from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire import tfserving_proto
from paddle_serving_server.dataplane import tfserving_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc.services import Method


async def _status(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    wanted = tfserving_proto.decode_status_request(message)
    return tfserving_proto.encode_status(await tfserving_calls.status(plane, call, wanted))


async def _reload(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    """What is wrong is said in the reply, as there."""
    config = tfserving_proto.decode_reload(message)
    try:
        reason = await tfserving_calls.reload(plane, call, config)
    except ServingError as exc:
        reason = str(exc)
    return tfserving_proto.encode_reload(reason)


API = "tfserving"
NAMES = (tfserving_proto.MODEL_SERVICE,)
METHODS: Mapping[str, Method] = {"GetModelStatus": _status, "HandleReloadConfigRequest": _reload}
MANAGEMENT = ("HandleReloadConfigRequest",)
