"""tensorflow.serving.PredictionService: tensors for a model, and what it takes and gives.

Classify, Regress and MultiInference, which take what models of TensorFlow parse themselves, are not there.
"""

from collections.abc import Mapping

from paddle_serving_client.wire import tfserving, tfserving_proto
from paddle_serving_client.wire.tfserving import Wanted
from paddle_serving_server.dataplane import tfserving_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc.services import Method


async def _predict(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    request = tfserving_proto.decode_predict(message)
    call.service = request.wanted.name
    model = await tfserving_calls.model(plane, call, request.wanted)
    response = await tfserving_calls.infer(plane, call, request.wanted, request.inputs, request.fetch)
    answered = Wanted(name=model.name, version=model.version, signature=tfserving.SIGNATURE)
    return tfserving_proto.encode_prediction(answered, response.tensors)


async def _metadata(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    wanted = tfserving_proto.decode_metadata_request(message)
    return tfserving_proto.encode_metadata(await tfserving_calls.model(plane, call, wanted))


API = "tfserving"
NAMES = (tfserving_proto.PREDICTION_SERVICE,)
METHODS: Mapping[str, Method] = {"Predict": _predict, "GetModelMetadata": _metadata}
