"""What an engine is told of a model in a repository: rows, waiting, instances, shapes and labels."""

from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.triton import repository, serving
from paddle_serving_app.triton.serving import Reshape, ServedVersion
from paddle_serving_client.errors import BadInput, BadModel
from tests import triton_models as tm

DENSENET = """
platform: "onnxruntime_onnx"
input [ { name: "X" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 8, 8 ] reshape { shape: [ 1, 3, 8, 8 ] } } ]
output { name: "Y" data_type: TYPE_FP32 dims: [ 192 ] reshape { shape: [ 1, 3, 8, 8 ] } label_filename: "labels.txt" }
"""


def served(folder: Path) -> ServedVersion:
    model = repository.opened(folder)
    return serving.version_of(model, model.versions[-1])


def test_rows_waiting_and_instances_are_those_of_the_config(tmp_path: Path) -> None:
    batching = "dynamic_batching { max_queue_delay_microseconds: 2500 default_queue_policy { max_queue_size: 3 } }"
    group = "instance_group [ { count: 3 kind: KIND_CPU } ] response_cache { enable: true }"
    tm.simple(tm.put(tmp_path / "simple", f"{tm.SIMPLE} {batching} {group}") / "1/model.onnx")
    found = served(tmp_path / "simple")
    assert (found.name, found.version, found.path) == ("simple", 1, tmp_path / "simple/1/model.onnx")
    assert (found.has_rows, found.max_rows, found.max_wait_ms, found.instances) == (True, 8, 2.5, 3)
    assert (found.queue.max_queue_size, found.caches_responses, found.library) == (3, True, "onnxruntime")
    assert (found.inputs, found.outputs, found.labels) == ({}, {}, {})


def test_what_the_config_leaves_out_is_decided_here(tmp_path: Path) -> None:
    tm.simple(tm.put(tmp_path / "simple", tm.SIMPLE) / "1/model.onnx")
    found = served(tmp_path / "simple")
    assert (found.max_wait_ms, found.instances, found.queue.max_queue_size) == (0.0, 0, 0)


def test_a_model_without_a_batch_axis_is_run_request_by_request(tmp_path: Path) -> None:
    folder = tm.put(tmp_path / "densenet_onnx", DENSENET, {"labels.txt": "cat\r\ndog, or wolf\n\nfox\n"})
    tm.identity(folder / "1/model.onnx", shape=(1, 3, 8, 8))
    found = served(folder)
    assert (found.has_rows, found.max_rows) == (False, 1)
    picture = np.arange(192, dtype=np.float32).reshape(3, 8, 8)
    assert found.inputs["X"].apply(picture).shape == (1, 3, 8, 8)
    assert found.outputs["Y"].apply(picture[None]).tolist() == picture.ravel().tolist()
    assert found.labels == {"Y": ("cat", "dog, or wolf", "", "fox")}
    assert np.shares_memory(found.inputs["X"].apply(picture), picture)


@pytest.mark.parametrize(
    ("has_rows", "dims", "target", "shape", "result"),
    [
        (True, (1,), (), (5, 1), (5,)),
        (True, (), (1,), (5,), (5, 1)),
        (True, (2, 4, -1, 6), (8, -1, 1, 6), (5, 2, 4, 7, 6), (5, 8, 7, 1, 6)),
        (True, (4, -1, -1), (2, 2, -1, 1, -1), (3, 4, 5, 6), (3, 2, 2, 5, 1, 6)),
        (False, (2, 3), (6,), (2, 3), (6,)),
        (False, (-1,), (1, -1), (0,), (1, 0)),
    ],
)
def test_a_reshape_keeps_what_may_vary(
    has_rows: bool,
    dims: tuple[int, ...],
    target: tuple[int, ...],
    shape: tuple[int, ...],
    result: tuple[int, ...],
) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = Reshape("x", has_rows, dims, target).apply(array)
    assert found.shape == result
    assert found.ravel().tolist() == array.ravel().tolist()


@pytest.mark.parametrize("shape", [(3, 9), (2, 3, 9), (8,), (2, 8, 1)])
def test_an_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"tensor 'x' must have shape \[-1, 8\], got float32"):
        Reshape("x", True, (8,), (2, 4)).apply(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"unable to load label file '.*labels\.txt' of model 'm': there is no such file"),
        ({"labels.txt": b"\xff"}, "labels must be UTF-8 text"),
        ({"labels.txt": "version https://git-lfs.github.com/spec/v1\n"}, "is a Git LFS pointer"),
    ],
)
def test_labels_that_cannot_be_read_are_named(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    tm.identity(tm.put(tmp_path / "m", DENSENET, files) / "1/model.onnx", shape=(1, 3, 8, 8))
    with pytest.raises(BadModel, match=message):
        served(tmp_path / "m")
