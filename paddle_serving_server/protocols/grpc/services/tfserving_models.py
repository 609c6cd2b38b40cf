"""tensorflow.serving.ModelService: whether a model is there; what changes models, HandleReloadConfigRequest, is not."""

from collections.abc import Mapping

from paddle_serving_client.wire import tfserving_proto
from paddle_serving_server.dataplane import tfserving_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc.services import Method


async def _status(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    wanted = tfserving_proto.decode_status_request(message)
    return tfserving_proto.encode_status(*await tfserving_calls.status(plane, call, wanted))


API = "tfserving"
NAMES = (tfserving_proto.MODEL_SERVICE,)
METHODS: Mapping[str, Method] = {"GetModelStatus": _status}
