"""What is put around engines, and what is not."""

from pathlib import Path

import pytest

from paddle_serving_app.triton import repository
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.front.wrappers import Wrappers
from paddle_serving_server.services.model_service import ModelService
from tests import triton_models as tm

CONFIG = """
platform: "onnxruntime_onnx" max_batch_size: 8 sequence_batching { }
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


def test_sequences_need_one_process_that_sees_all_requests(tmp_path: Path) -> None:
    tm.identity(tm.put(tmp_path / "m", CONFIG) / "1" / "model.onnx")
    service = ModelService("m")
    Wrappers(ServerConfig(fronts=2), Counters()).check(service)
    service.triton = repository.opened(tmp_path / "m").config
    Wrappers(ServerConfig(fronts=1), Counters()).check(service)
    with pytest.raises(BadConfig, match="model 'm' has sequence_batching, .*: --fronts 1, not 2"):
        Wrappers(ServerConfig(fronts=2), Counters()).check(service)
