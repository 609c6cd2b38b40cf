"""What TensorFlow Serving's REST API says of models and of errors, as JSON: in protobuf's form, sizes are strings."""

import json
from collections.abc import Sequence

from paddle_serving_client.wire import tfserving
from paddle_serving_client.wire.tfserving import ModelInfo, TensorInfo, VersionState


def write_error(text: str) -> bytes:
    """What callers are told who get no answer."""
    return json.dumps({"error": text}, indent=4, ensure_ascii=False).encode()


def write_status(versions: Sequence[VersionState]) -> bytes:
    """The answer to who asks for a model's status: one or all of its versions."""
    listed = [
        {
            "version": str(version.version),
            "state": version.state.name,
            "status": {"error_code": "UNKNOWN" if version.reason else "OK", "error_message": version.reason},
        }
        for version in versions
    ]
    return json.dumps({"model_version_status": listed}, indent=1, ensure_ascii=False).encode()


def write_metadata(model: ModelInfo) -> bytes:
    """What a model takes and gives, as protobuf's JSON of `SignatureDef`: sizes and versions are strings."""
    signature = {
        "inputs": {info.alias: _described(info) for info in model.inputs},
        "outputs": {info.alias: _described(info) for info in model.outputs},
        "method_name": tfserving.PREDICT_METHOD,
    }
    said = {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": {"signature_def": {tfserving.SIGNATURE: signature}}},
    }
    return json.dumps(said, indent=1, ensure_ascii=False).encode()


def _described(info: TensorInfo) -> dict[str, object]:
    dims = [{"size": str(length), "name": ""} for length in info.shape]
    kind = "DT_INVALID" if info.data_type is None else info.data_type.name
    return {"dtype": kind, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": info.name}
