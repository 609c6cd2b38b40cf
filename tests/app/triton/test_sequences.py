"""What a config asks of sequences: what is refused, and what is said to be without effect."""

from pathlib import Path

import pytest

from paddle_serving_app.triton import repository
from paddle_serving_client.errors import BadConfig
from tests import triton_models as tm

IO = """
platform: "onnxruntime_onnx" max_batch_size: 8
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


def opened(folder: Path, batching: str) -> repository.RepositoryModel:
    tm.identity(tm.put(folder, f"{IO} sequence_batching {{ {batching} }}") / "1" / "model.onnx")
    return repository.opened(folder)


@pytest.mark.parametrize(
    ("batching", "message"),
    [
        (
            'state [ { input_name: "S" output_name: "T" data_type: TYPE_FP32 dims: [ 1 ] } ]',
            "sequence_batching.state of m is not supported: no tensors are kept between requests here",
        ),
        ("iterative_sequence: true", "sequence_batching.iterative_sequence of m is not supported"),
        (
            'control_input [ { name: "X" control [ { kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0, 1 ] } ] } ]',
            "control input 'X' of m is filled in by the server, and is an input, too",
        ),
        (
            'control_input [ { name: "ID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_FP32 } ] } ]',
            "control input 'ID' of m: data type FP32, expected one of UINT64, INT64, UINT32, INT32, BYTES",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_its_reason(tmp_path: Path, batching: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        opened(tmp_path / "m", batching)


def test_what_is_without_effect_is_said(tmp_path: Path) -> None:
    notes = opened(tmp_path / "m", "direct { max_queue_delay_microseconds: 5 minimum_slot_utilization: 0.5 }").notes
    for field in ("max_queue_delay_microseconds", "minimum_slot_utilization"):
        assert any(note.startswith(f"sequence_batching.direct.{field} is without effect") for note in notes)
    assert not any("sequence_batching" in note for note in opened(tmp_path / "n", "oldest { }").notes)
