"""What a model.py finds under the name `triton_python_backend_utils`, once `install` was called in its process.

Nothing of that name is installed with the packages: a process that only imports them keeps another one's.
"""

import sys
from collections.abc import Mapping
from typing import Final

from paddle_serving_app.triton.backend_utils import host
from paddle_serving_app.triton.backend_utils.errors import TritonError, TritonModelException
from paddle_serving_app.triton.backend_utils.logger import Logger, LogLevel
from paddle_serving_app.triton.backend_utils.messages import (
    TRITONSERVER_MEMORY_CPU,
    TRITONSERVER_MEMORY_GPU,
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_END,
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
    TRITONSERVER_REQUEST_RELEASE_ALL,
    TRITONSERVER_REQUEST_RELEASE_RESCHEDULE,
    TRITONSERVER_RESPONSE_COMPLETE_FINAL,
    InferenceRequest,
    InferenceResponse,
    PreferredMemory,
    ResponseSender,
)
from paddle_serving_app.triton.backend_utils.metrics import Metric, MetricFamily
from paddle_serving_app.triton.backend_utils.model_config import (
    ModelConfig,
    get_input_config_by_name,
    get_output_config_by_name,
    using_decoupled_model_transaction_policy,
)
from paddle_serving_app.triton.backend_utils.tensor import (
    Tensor,
    numpy_to_triton_type,
    triton_string_to_numpy,
    triton_to_numpy_type,
)

NAME: Final = "triton_python_backend_utils"

__all__ = [
    "InferenceRequest",
    "InferenceResponse",
    "LogLevel",
    "Logger",
    "Metric",
    "MetricFamily",
    "ModelConfig",
    "PreferredMemory",
    "ResponseSender",
    "TRITONSERVER_MEMORY_CPU",
    "TRITONSERVER_MEMORY_GPU",
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_END",
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_START",
    "TRITONSERVER_REQUEST_RELEASE_ALL",
    "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE",
    "TRITONSERVER_RESPONSE_COMPLETE_FINAL",
    "Tensor",
    "TritonError",
    "TritonModelException",
    "get_input_config_by_name",
    "get_input_tensor_by_name",
    "get_model_dir",
    "get_output_config_by_name",
    "get_output_tensor_by_name",
    "is_model_ready",
    "load_model",
    "numpy_to_triton_type",
    "triton_string_to_numpy",
    "triton_to_numpy_type",
    "unload_model",
    "using_decoupled_model_transaction_policy",
]


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    """An input of a request; None where there is none of that name."""
    return next((tensor for tensor in inference_request.inputs() if tensor.name() == name), None)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    """An output of an answer; None where there is none of that name."""
    return next((tensor for tensor in inference_response.output_tensors() if tensor.name() == name), None)


def get_model_dir() -> str:
    """The folder of the version of the model that is run."""
    return host.current().model_dir()


def is_model_ready(model_name: str, model_version: str = "") -> bool:
    """Whether another model of the server answers."""
    return host.current().is_model_ready(model_name, model_version)


def load_model(model_name: str, config: str = "", files: Mapping[str, bytes] | None = None) -> None:
    """Load a model of the repository, where the server lets models be loaded."""
    host.current().load_model(model_name, config, files or {})


def unload_model(model_name: str, unload_dependents: bool = False) -> None:
    """Take a model off the server, where it lets models be unloaded."""
    host.current().unload_model(model_name, unload_dependents)


def install() -> None:
    """Make this package what `import triton_python_backend_utils` gives, in this process."""
    sys.modules[NAME] = sys.modules[__name__]
