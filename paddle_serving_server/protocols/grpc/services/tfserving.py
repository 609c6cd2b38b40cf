"""tensorflow.serving.PredictionService: tensors or examples for a model, and what it takes and gives.

MultiInference, which asks several signatures of a model at once, is not there: models have one.
"""

from collections.abc import Callable, Mapping

from paddle_serving_client.message import Array
from paddle_serving_client.wire import tfserving, tfserving_examples_proto, tfserving_proto
from paddle_serving_client.wire.tfserving import ModelInfo, Wanted
from paddle_serving_server.dataplane import tfserving_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc.services import Method


async def _predict(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    request = tfserving_proto.decode_predict(message)
    call.service = request.wanted.name
    model = await tfserving_calls.model(plane, call, request.wanted)
    response = await tfserving_calls.infer(plane, call, request.wanted, request.inputs, request.fetch)
    return tfserving_proto.encode_prediction(_answered(model), response.tensors)


async def _classify(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    return await _of_examples(plane, call, message, tfserving_examples_proto.encode_classes)


async def _regress(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    return await _of_examples(plane, call, message, tfserving_examples_proto.encode_regressions)


async def _of_examples(
    plane: DataPlane,
    call: Call,
    message: bytes | memoryview,
    encode: Callable[[Wanted, Mapping[str, Array]], bytes],
) -> bytes:
    wanted = tfserving_examples_proto.decode_wanted(message)
    call.service = wanted.name
    model = await tfserving_calls.model(plane, call, wanted)
    tensors = tfserving_examples_proto.decode_examples(message, model)
    response = await tfserving_calls.infer(plane, call, wanted, tensors)
    return encode(_answered(model), response.tensors)


def _answered(model: ModelInfo) -> Wanted:
    return Wanted(name=model.name, version=model.version, signature=tfserving.SIGNATURE)


async def _metadata(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    wanted = tfserving_proto.decode_metadata_request(message)
    return tfserving_proto.encode_metadata(await tfserving_calls.model(plane, call, wanted))


API = "tfserving"
NAMES = (tfserving_proto.PREDICTION_SERVICE,)
METHODS: Mapping[str, Method] = {
    "Predict": _predict,
    "Classify": _classify,
    "Regress": _regress,
    "GetModelMetadata": _metadata,
}
