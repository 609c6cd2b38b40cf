"""Options that cannot be are refused when they are made."""

from typing import Any

import pytest

from paddle_serving_app.backend import PRECISIONS, ModelOptions
from paddle_serving_client.errors import BadConfig


@pytest.mark.parametrize(
    ("options", "text"),
    [({"precision": "fp8"}, "fp32, fp16"), ({"threads": -1}, "threads"), ({"gpu_id": -1}, "gpu_id")],
)
def test_impossible_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadConfig, match=text):
        ModelOptions(**options)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precisions(precision: str) -> None:
    assert ModelOptions(precision=precision).precision == precision
