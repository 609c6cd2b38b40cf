from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.ops.detection import (
    DetectionBGR2RGB,
    DetectionDiv,
    DetectionFile2Image,
    DetectionNormalize,
    DetectionPadStride,
    DetectionResize,
    DetectionSequential,
    DetectionTranspose,
)
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from tests.app.ops.recorded import frozen, recorded

RECORDED = recorded("detection")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
RELATIVE = 1e-6
"""Of the largest value: arithmetic in float32 here, partly in float64 there."""
CHAINS: dict[str, list[Any]] = {
    "rcnn": [
        DetectionFile2Image(),
        DetectionNormalize(MEAN, STD, True),
        DetectionResize((25, 35), True, interpolation=2),
        DetectionTranspose((2, 0, 1)),
        DetectionPadStride(16),
    ],
    "yolo": [
        DetectionFile2Image(),
        DetectionResize((24, 32), False, interpolation=1),
        DetectionBGR2RGB(),
        DetectionDiv(255.0),
        DetectionTranspose((2, 0, 1)),
    ],
    "square": [DetectionFile2Image(), DetectionResize(20), DetectionNormalize(MEAN, STD, False)],
}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "part.png"
    path.write_bytes(RECORDED["picture.in"].tobytes())
    return path


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_as_the_original(name: str, picture: Path) -> None:
    array, info = DetectionSequential(CHAINS[name])(str(picture))
    expected = RECORDED[f"{name}.out"]
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    assert np.abs(array - expected).max() <= RELATIVE * np.abs(expected).max()
    for key, recording in (("im_shape", "shape"), ("scale_factor", "scale")):
        assert info[key].dtype == np.float32
        assert np.array_equal(info[key], RECORDED[f"{name}_{recording}.out"])


@pytest.mark.parametrize(
    ("name", "op"), [("ratio", DetectionResize((300, 500))), ("exact", DetectionResize((30, 41), False))]
)
def test_sizes_and_scales_as_the_original(name: str, op: DetectionResize) -> None:
    infos = [op(np.zeros((h, w, 3), np.uint8), {})[1] or {} for h, w in RECORDED["sizes.in"]]
    assert np.array_equal([[*i["im_shape"], *i["scale_factor"]] for i in infos], RECORDED[f"sizes_{name}.out"])


def test_an_array_is_taken_where_no_step_reads_a_file() -> None:
    array, info = DetectionSequential([DetectionDiv(2.0)])(frozen(np.full((2, 2, 3), 4, np.uint8)))
    assert (array == 2).all()
    assert info["im_shape"] is None
    assert (info["scale_factor"] == 1).all()


def test_no_stride_leaves_the_pair() -> None:
    image = np.zeros((3, 5, 5), np.float32)
    assert DetectionPadStride(0)(image, {"a": 1}) == (image, {"a": 1})
    assert DetectionPadStride(-1)(image)[0] is image


def test_steps_do_not_write_into_their_input() -> None:
    image = frozen(np.ones((4, 4, 3), np.float32))
    DetectionNormalize(MEAN, STD, False)(image)
    DetectionResize(8)(image)


def test_a_step_that_gives_no_pair_is_named() -> None:
    with pytest.raises(BadConfig, match="_alone.* must return"):
        DetectionSequential([_alone])(np.zeros((2, 2, 3)))


def _alone(im: Any, im_info: Any) -> Any:
    return im


def test_sizes_are_bounded() -> None:
    with pytest.raises(TooLarge, match="50,000,000"):
        DetectionResize(9000)(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(BadInput, match="0x"):
        DetectionResize((1, 2))(np.zeros((900, 3, 3), np.uint8))
    for size in (0, (1, 2, 3)):
        with pytest.raises(BadConfig):
            DetectionResize(size)


def test_steps_say_what_they_are() -> None:
    said = repr(DetectionSequential([*CHAINS["rcnn"], DetectionDiv(2)]))
    assert "DetectionResize(target_size=[25, 35], keep_ratio=True" in said
    assert all(name in said for name in ("DetectionFile2Image()", "DetectionDiv(2)", "DetectionPadStride(16)"))
