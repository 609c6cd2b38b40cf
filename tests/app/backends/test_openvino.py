"""What is particular about OpenVINO: what it does wrong, kept from our callers."""

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.backends import openvino as plugin
from paddle_serving_client import model_config
from paddle_serving_client.errors import BackendFailed, MissingLibrary
from tests import models
from tests.app.conftest import Folder


def load(model_folder: Folder, name: str, form: str = "pdmodel") -> plugin.OpenVinoBackend:
    folder = model_folder(name, form)
    return plugin.load(folder, model_config.read(folder), ModelOptions(threads=2))


def test_a_failed_run_does_not_spoil_the_next(model_folder: Folder) -> None:
    backend = load(model_folder, "conv")
    x = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    for _ in range(2):
        with pytest.raises(BackendFailed, match="OpenVINO"):
            backend.run([np.ones((1, 3, 1, 1), np.float32)], {})
        np.testing.assert_allclose(backend.run([x], {}).arrays[0], models.conv_answer(x), atol=1e-6)


def test_numbers_of_rows_that_change(model_folder: Folder) -> None:
    """Small ones are compiled each on its own: none may answer with what another one left."""
    backend = load(model_folder, "uci")
    random = np.random.default_rng(0)
    for rows in (1, 3, 0, 2, 1, 4, 5, 9, 3, 1, 0, 70):
        x = random.random((rows, 13), dtype=np.float32)
        answer = backend.run([x], {}).arrays[0]
        np.testing.assert_allclose(answer, models.uci_answer(x), rtol=1e-5)
        assert answer.shape == (rows, 1)


def test_inputs_of_different_numbers_of_rows(model_folder: Folder) -> None:
    backend = load(model_folder, "multi")
    rows = {"f_real": 2, "i64_real": 1, "i32_real": 2}
    kinds = {"f_real": (3, np.float32), "i64_real": (2, np.int64), "i32_real": (2, np.int32)}

    def run(rows: dict[str, int]) -> None:
        feed = {name: np.ones((rows[name], width), kind) for name, (width, kind) in kinds.items()}
        backend.run([feed[spec.name] for spec in backend.inputs], {})

    for _ in range(2):
        with pytest.raises(BackendFailed):
            run(rows)
        run(dict.fromkeys(rows, 2))


def test_engines_beside_each_other_use_all_processors(model_folder: Folder) -> None:
    """Left to itself it pins the threads of each process to the same processors."""
    backend = load(model_folder, "uci")
    assert backend.run([models.UCI_INPUT[None]], {}).arrays
    assert [c.get_property("ENABLE_CPU_PINNING") for c in backend._compiled.values()] == [False]


def test_wrong_count_of_arrays(model_folder: Folder) -> None:
    backend = load(model_folder, "multi")
    with pytest.raises(BackendFailed):
        backend.run([np.ones((1, 3), np.float32)], {})


@pytest.mark.parametrize("value", [1 << 31, -(1 << 31) - 1])
def test_int64_beyond_32_bits(model_folder: Folder, value: int) -> None:
    backend = load(model_folder, "multi")
    feed = {
        "f_real": np.ones((1, 3), np.float32),
        "i64_real": np.array([[0, value]]),
        "i32_real": np.ones((1, 2), np.int32),
    }
    with pytest.raises(BackendFailed, match="'i64_real'"):
        backend.run([feed[spec.name] for spec in backend.inputs], {})


@pytest.mark.parametrize("form", ["legacy", "separate"])
def test_old_forms_are_read_without_conversion(
    model_folder: Folder, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddle_serving_app.paddle_to_onnx.onnx_of", None)
    backend = load(model_folder, "uci", form)
    np.testing.assert_allclose(backend.run([models.UCI_INPUT[None]], {}).arrays[0], [[models.UCI_PRICE]], rtol=1e-6)


def test_lod_is_refused(model_folder: Folder) -> None:
    folder = model_folder("lod", "pdmodel")
    reason = plugin.refuses(folder, model_config.read(folder))
    assert reason is not None and "LoD" in reason


def test_no_gpu(model_folder: Folder) -> None:
    folder = model_folder("uci", "pdmodel")
    with pytest.raises(MissingLibrary, match="GPU 7 was asked for, but OpenVINO sees none"):
        plugin.load(folder, model_config.read(folder), ModelOptions(gpu_id=7))


@pytest.mark.parametrize(
    ("can", "precision", "hint"),
    [
        (["FP32", "INT8"], "fp16", "f32"),
        (["FP32", "BF16"], "fp16", "f32"),  # else it computes in bfloat16
        (["FP32", "BF16"], "bf16", "bf16"),
        (["FP32", "FP16"], "fp16", "f16"),
        (["FP32", "FP16", "BF16"], "fp32", "f32"),
        (["FP32", "INT8"], "int8", "f32"),
    ],
)
def test_only_what_a_processor_has_is_asked_for(can: list[str], precision: str, hint: str) -> None:
    options = ModelOptions(precision=precision)
    assert plugin._hint(can, options) == hint
    if precision != "int8":
        says_fp32 = "computed in fp32" in (plugin._computed_otherwise(can, options) or "")
        assert says_fp32 is (hint == "f32" and precision != "fp32")


@pytest.mark.parametrize("precision", ["bf16", "fp16", "int8"])
def test_precisions_are_taken(model_folder: Folder, precision: str) -> None:
    folder = model_folder("uci", "pdmodel")
    backend = plugin.load(folder, model_config.read(folder), ModelOptions(precision=precision))
    np.testing.assert_allclose(backend.run([models.UCI_INPUT[None]], {}).arrays[0], [[models.UCI_PRICE]], rtol=1e-2)
