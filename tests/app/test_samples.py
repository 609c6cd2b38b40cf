"""Made-up inputs hold what shows a difference, and never what a model cannot take."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.choosing import samples
from paddle_serving_app.choosing.samples import STYLES, Style
from paddle_serving_app.program import reader
from paddle_serving_client import dtype
from tests.app.programs import paddle_model

WHOLE = (-(2**63), 2**63 - 1)


def sample(kind: str, style: Style, count: int = 2000) -> "np.ndarray[Any, np.dtype[Any]]":
    return samples.values(np.random.default_rng(1), np.dtype(kind), (count,), style)


@pytest.mark.parametrize(
    "kind", ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool", "complex64"]
)
@pytest.mark.parametrize("style", STYLES)
def test_every_type_in_every_style(kind: str, style: Style) -> None:
    found = sample(kind, style)
    assert found.dtype == kind
    assert np.isfinite(found).all()
    assert len(np.unique(found)) > 1
    np.testing.assert_array_equal(found, sample(kind, style))


@pytest.mark.parametrize("kind", ["uint16", "uint32", "uint64"])
def test_numbers_without_a_sign_over_their_whole_range(kind: str) -> None:
    whole = sample(kind, "whole")
    assert {0, 1, int(np.iinfo(kind).max)} <= set(whole.tolist())
    assert {style: sample(kind, style).dtype for style in STYLES} == dict.fromkeys(STYLES, np.dtype(kind))
    assert set(sample(kind, "plain").tolist()) == {0, 1}


@pytest.mark.parametrize("style", STYLES)
def test_bfloat16(style: Style) -> None:
    found = samples.values(np.random.default_rng(1), dtype.BFLOAT16, (200,), style)
    assert found.dtype == dtype.BFLOAT16 and np.isfinite(found.astype(np.float32)).all()


def test_strings() -> None:
    plain, signed = (
        samples.values(np.random.default_rng(1), np.dtype(object), (100, 2), style) for style in ("plain", "signed")
    )
    assert plain.shape == (100, 2) and all(item.isascii() and item for item in plain.flat)
    assert b"" in signed.flat and any(not item.isascii() for item in signed.flat)
    assert all(type(item) is bytes and item.decode() is not None for item in signed.flat)


def test_floats() -> None:
    signed, whole, wide = (sample("float32", style) for style in STYLES[1:])
    assert (signed < 0).any()
    assert (signed == 0).any()
    assert ((np.abs(signed) < 1e-38) & (signed != 0)).any()
    assert len(np.unique(whole)) < 10
    assert np.abs(wide).max() > 2**31
    assert (sample("float64", "wide").astype(np.float32) != sample("float64", "wide")).mean() > 0.9


def test_integers() -> None:
    whole, wide = sample("int64", "whole"), sample("int64", "wide")
    assert {WHOLE[0], WHOLE[1], 0, 1, -1} <= set(whole.tolist())
    assert (np.abs(wide.astype(float)) > 2**32).any()
    assert ((wide > 0) & (wide < 1000)).any()
    assert sample("uint8", "plain").max() == 255


def limits(folder: Path) -> samples.Limits:
    return samples.limits_of(reader.find(folder))


@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_numbers_of_words_stay_within_the_table(tmp_path: Path, form: Any) -> None:
    def layers(paddle: Any, words: Any, free: Any, hashed: Any) -> Any:
        table = paddle.static.create_parameter([100, 4], "float32")
        look_up = paddle.nn.functional.embedding
        return look_up(paddle.reshape(words, [-1]), table), free * 2, look_up(hashed % 100, table)

    inputs = {name: ((-1, 2), "int64") for name in ("words", "free", "hashed")}
    folder = paddle_model(tmp_path / "m", inputs, layers, form)
    assert limits(folder) == {"words": (0, 99), "free": WHOLE, "hashed": WHOLE}


def test_integers_that_are_a_size_stay_small(tmp_path: Path) -> None:
    folder = paddle_model(
        tmp_path / "m",
        {"values": ((-1, 2), "float32"), "n": ((1,), "int64")},
        lambda paddle, x, n: (paddle.nn.functional.relu(x), paddle.full(n, 1.0, "float32")),
        "json",
    )
    assert limits(folder)["n"] == (0, 1)
    assert samples.limits_of(None) == {}
