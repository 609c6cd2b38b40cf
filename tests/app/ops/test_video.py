import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paddle_serving_app.ops import video_decoder
from paddle_serving_app.ops.video import Image2Array, Normalization, Scale, TenCrop
from paddle_serving_app.ops.video_decoder import VideoDecoder
from paddle_serving_app.ops.video_sampling import Sampler
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge, UnsupportedMedia
from tests.app.ops.record_vision import COUNTS, MEAN, RULES, SCALES, STD
from tests.app.ops.recorded import recorded

RECORDED = recorded("video")
DECODER_STEPS = 4
"""Grey values by which decoders of two versions of FFmpeg may differ."""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    path.write_bytes(RECORDED["clip.in"].tobytes())
    return path


def pictures() -> list[Image.Image]:
    return [Image.fromarray(array) for array in RECORDED["imgs.in"]]


def numbered(count: int) -> dict[str, Any]:
    """A video whose frames say their number."""
    frames = [np.full((1, 1, 3), k, np.uint8) for k in range(count)]
    return {"format": "video", "backend": "cv2", "frames": frames, "frames_len": count}


def chosen(sampler: Sampler, count: int) -> list[int]:
    return [img.getpixel((0, 0))[0] for img in sampler(numbered(count))["imgs"]]


def test_frames_as_the_original(clip: Path) -> None:
    decoded = VideoDecoder()({"filename": clip})
    assert (decoded["format"], decoded["backend"], decoded["frames_len"]) == ("video", "cv2", 12)
    frames = np.array(decoded["frames"])[::5].astype(int)
    assert frames.shape == RECORDED["frames.out"].shape
    assert np.abs(frames - RECORDED["frames.out"]).max() <= DECODER_STEPS


@pytest.mark.parametrize("name", RULES)
def test_the_frames_chosen_as_the_original(name: str) -> None:
    compared = 0
    for count in COUNTS:
        random.seed(3)
        np.random.seed(3)
        got = chosen(Sampler(**RULES[name]), count)  # type: ignore[arg-type]
        assert len(got) > 0
        if f"{name}_{count}.out" in RECORDED:  # it failed on some
            assert got == RECORDED[f"{name}_{count}.out"].tolist(), count
            compared += 1
    assert compared >= 5


@pytest.mark.parametrize("name", SCALES)
def test_scaled_as_the_original(name: str) -> None:
    got = Scale(**SCALES[name])({"imgs": pictures()})["imgs"]
    assert np.array_equal([np.asarray(img) for img in got], RECORDED[f"scale_{name}.out"])


def test_the_slip_of_kept_proportions_is_kept() -> None:
    tall = [img.transpose(Image.Transpose.ROTATE_90) for img in pictures()]
    got = Scale(20, False, True)({"imgs": tall})["imgs"]
    assert np.array_equal([np.asarray(img) for img in got], RECORDED["scale_tall.out"])
    assert got[0].size == (15, 26)


def test_cut_stacked_and_normalised_as_the_original() -> None:
    ten = TenCrop(16)({"imgs": pictures()})["imgs"]
    assert np.array_equal([np.asarray(img) for img in ten], RECORDED["ten.out"])
    tchw = Normalization(MEAN, STD)(Image2Array()({"imgs": pictures()}))["imgs"]
    assert tchw.dtype == np.float32
    assert np.array_equal(tchw, RECORDED["tchw.out"])
    assert np.array_equal(Image2Array(data_format="cthw")({"imgs": pictures()})["imgs"], RECORDED["cthw.out"])
    frames = [np.asarray(img) for img in pictures()]
    got = Normalization([123.0, 117.0, 104.0], [58.0, 57.0, 56.0], inplace=True)({"imgs": frames})["imgs"]
    assert np.abs(got - RECORDED["inplace.out"]).max() <= 1e-6 * np.abs(RECORDED["inplace.out"]).max()


def test_from_file_to_tensor(clip: Path) -> None:
    results: dict[str, Any] = {"filename": str(clip)}
    steps = [
        VideoDecoder(),
        Sampler(4, 1, valid_mode=True),
        Scale(24),
        TenCrop(20),
        Image2Array(),
        Normalization(MEAN, STD),
    ]
    for step in steps:
        results = step(results)  # type: ignore[operator]
    assert results["imgs"].shape == (40, 3, 20, 20)


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    for number in range(1, 9):
        Image.fromarray(np.full((2, 2, 3), number, np.uint8)).save(tmp_path / f"img_{number:05}.png")
    results: dict[str, Any] = {"format": "frame", "frame_dir": tmp_path, "suffix": "img_{:05}.png", "frames_len": 8}
    imgs = Sampler(2, 1, valid_mode=True)(dict(results))["imgs"]
    assert [img.getpixel((0, 0))[0] for img in imgs] == [2, 6]
    with pytest.raises(BadInput, match="'img_00002.gif' cannot be read"):
        Sampler(2, 1, valid_mode=True)({**results, "suffix": "../../img_{:05}.gif"})
    with pytest.raises(BadInput, match="needs 'frame_dir'"):
        Sampler(2, 1, valid_mode=True)({**results, "suffix": "{} {}"})


def test_frames_as_one_array() -> None:
    results = {**numbered(6), "backend": "pyav"}
    array = Normalization(MEAN, STD)(Image2Array()(Sampler(2, 1, valid_mode=True)(results)))["imgs"]
    assert array.shape == (2, 3, 1, 1)
    assert array.dtype == np.float32


def test_only_files_that_are_videos_are_opened(tmp_path: Path, clip: Path) -> None:
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\nhttp://127.0.0.1/secret.ts\n")
    with pytest.raises(UnsupportedMedia, match="MP4, MOV, Matroska, WebM and AVI"):
        VideoDecoder()({"filename": playlist})
    for name in ("http://127.0.0.1/clip.avi", tmp_path, tmp_path / "none.mp4", 0, "a\0b"):
        with pytest.raises((BadInput, UnsupportedMedia)):
            VideoDecoder()({"filename": name})
    clip.write_bytes(clip.read_bytes()[:300])
    with pytest.raises(BadInput):
        VideoDecoder()({"filename": clip})


def test_a_long_video_ends_before_the_memory(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_decoder, "MAX_VIDEO_BYTES", 20_000)
    with pytest.raises(TooLarge, match="20,000 bytes"):
        VideoDecoder()({"filename": clip})


@pytest.mark.parametrize(
    ("step", "results"),
    [
        (Sampler(2, 1), {}),
        (Sampler(2, 1), {"format": "video", "frames_len": 0}),
        (Sampler(2, 1), {"format": "video", "frames_len": 9, "frames": [], "backend": "cv2"}),
        (Sampler(2, 1), {"format": "video", "frames_len": 9, "backend": "decord"}),
        (Scale(8), {}),
        (Scale(8), {"imgs": [np.zeros((2, 2, 3), np.uint8)]}),
        (Scale(20_000), {"imgs": [Image.new("RGB", (9, 9))]}),
        (TenCrop(8), {"imgs": [np.zeros((9, 9, 3))]}),
        (TenCrop(8), {"imgs": [Image.new("RGB", (9, 7))]}),
        (Image2Array(), {"imgs": [Image.new("RGB", (9, 7)), Image.new("RGB", (7, 9))]}),
        (Normalization(MEAN, STD), {"imgs": [1]}),
        (Normalization(MEAN, STD), {"imgs": np.zeros((2, 5, 4, 4))}),
        (Normalization(MEAN, STD, inplace=True), {"imgs": [np.zeros((4, 4, 2))]}),
    ],
)
def test_what_a_step_does_not_take(step: Any, results: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        step(results)


@pytest.mark.parametrize(
    "build",
    [
        lambda: VideoDecoder("decord"),
        lambda: Sampler(0, 1),
        lambda: Sampler(1, 1, frame_interval=0),
        lambda: Scale(8, True, True),
        lambda: Scale(8, backend="gd"),
        lambda: Scale(0),
        lambda: TenCrop(0),
        lambda: Image2Array(data_format="hwc"),
        lambda: Normalization([1.0], [0.0]),
        lambda: Normalization([1.0], [1.0]),
    ],
)
def test_settings_that_cannot_be(build: Any) -> None:
    with pytest.raises(BadConfig):
        build()
