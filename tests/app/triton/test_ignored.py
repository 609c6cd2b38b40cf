"""What a config asks for and does not get is said, and nothing is said of what it does not ask for."""

from pathlib import Path

import pytest

from paddle_serving_app.triton import repository
from tests import triton_models as tm

IO = """
platform: "onnxruntime_onnx" max_batch_size: 8
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
QUEUE = "dynamic_batching { default_queue_policy { %s } }"


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ("dynamic_batching { priority_levels: 2 default_priority_level: 1 }", "priority_levels is without effect"),
        (QUEUE % "default_timeout_microseconds: 5", "default_timeout_microseconds is without effect"),
        (QUEUE % "allow_timeout_override: true", "allow_timeout_override is without effect"),
        (QUEUE % "max_queue_size: 5", "max_queue_size is without effect"),
        ("response_cache { enable: true }", "response_cache is without effect: --request_cache_size"),
        (
            'model_warmup [ { name: "first" batch_size: 1 inputs { key: "X" value { data_type: TYPE_FP32 dims: [ 4 ] '
            "zero_data: true } } } ]",
            "model_warmup (first) is without effect",
        ),
        ("dynamic_batching { max_queue_delay_microseconds: 100 }", ""),
    ],
)
def test_what_is_without_effect_is_said(tmp_path: Path, more: str, note: str) -> None:
    tm.identity(tm.put(tmp_path / "m", IO + more) / "1" / "model.onnx")
    notes = [said for said in repository.opened(tmp_path / "m").notes if "without effect" in said]
    assert len(notes) == bool(note)
    assert note in " ".join(notes)
