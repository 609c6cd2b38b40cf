"""Low precision on a CPU: where a library has it, answers are near those of fp32; where it has not, it says so."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing.agreement import TOLERANCE, distance
from paddle_serving_app.model import Model
from paddle_serving_client.message import Array
from tests import models

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.conv(tmp_path_factory.mktemp("conv") / "model")


def answered(folder: Path, backend: str, precision: str) -> tuple[Array, ...]:
    model = Model.load(folder, ModelOptions(backend=backend, precision=precision))
    try:
        return model.run(model.signature.arrange({"image": IMAGE})).arrays
    finally:
        model.close()


@pytest.mark.parametrize(("backend", "precision"), [("paddle", "bf16"), ("openvino", "bf16"), ("openvino", "fp16")])
def test_an_answer_in_low_precision_is_near(
    folder: Path, backend: str, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    apart = distance(answered(folder, backend, precision), answered(folder, backend, "fp32"))
    assert apart <= TOLERANCE[precision]
    is_computed_in_fp32 = precision in caplog.text and "computed in fp32" in caplog.text
    assert (apart > 0) is not is_computed_in_fp32, "either it is computed in low precision, or the log says otherwise"


@pytest.mark.parametrize(
    ("backend", "options", "said"),
    [
        ("paddle", ModelOptions(precision="fp16"), "has no fp16 on a CPU"),
        ("paddle", ModelOptions(precision="int8"), "only what is quantized"),
        ("paddle", ModelOptions(precision="bf16", onednn=False), "needs oneDNN"),
        ("paddle", ModelOptions(use_trt=True), "TensorRT needs a GPU"),
        ("openvino", ModelOptions(precision="int8"), "only what is quantized"),
    ],
)
def test_what_a_library_does_not_do_is_said_once(
    folder: Path, backend: str, options: ModelOptions, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model.load(folder, replace(options, backend=backend))
    model.run(model.signature.arrange({"image": IMAGE}))
    model.close()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in warnings if said in text]) == 1
