"""GeneralDetectionOp: pictures to lines, with a detector that finds what is bright; the real models where they are."""

import asyncio
import contextlib
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.ops.ocr import ctc_decode, read_characters
from paddle_serving_client.errors import BadConfig, BadInput, ServingError, UnsupportedMedia
from paddle_serving_client.message import Array, Request
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import answer
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.graph.general_ops import general_detection_op
from paddle_serving_server.user_code.threads import Threads
from tests import models
from tests.server.graph.chains import chain_of
from tests.server.graph.general_ops.pictures import bars, encoded
from tests.serving import ROOT

PADDLE = ModelOptions(backend="paddle")


def read(text: bytes, detector: Path, reader: Path | None) -> Array:
    """The lines that are found, or what the reader says of them."""

    async def ask() -> Array:
        engine = LocalEngine.load(detector, PADDLE)
        following = LocalEngine.load(reader, PADDLE) if reader else None
        with contextlib.closing(Threads(1, "test")) as threads:
            op = general_detection_op.make(engine, following, threads)
            whole = chain_of({"det": op, "rec": following}) if following else op
            try:
                said = await answer(whole, Request(tensors={"x": np.array([text], object)}), Context())
            finally:
                await whole.close()
        (array,) = said.tensors.values()
        return array

    return asyncio.run(ask())


def test_each_bar_becomes_a_line_in_reading_order(tmp_path: Path) -> None:
    picture = bars((40, 200, 300, 24), (40, 40, 100, 24), (220, 44, 120, 24))
    lines = read(encoded(picture), models.text_detector(tmp_path / "det"), None)
    assert lines.shape[:3] == (3, 3, 32) and lines.shape[3] >= 320
    widths = [int((line[0].max(axis=0) > 0).sum()) for line in lines]
    assert widths == sorted(widths) and widths[2] > 2 * widths[0]  # upper left, upper right, below
    assert lines.min() == -1 and lines.max() == 1


def test_the_next_model_reads_the_lines(tmp_path: Path) -> None:
    picture = bars((40, 200, 300, 24), (40, 40, 100, 24))
    detector, reader = models.text_detector(tmp_path / "det"), models.line_reader(tmp_path / "rec")
    short, long = read(encoded(picture), detector, reader)[:, 0]
    assert 2 * short < long
    assert read(encoded(bars()), detector, reader).shape == (0, 1)


@pytest.mark.parametrize(
    ("text", "error"), [(b"%%%", BadInput), (b"aGVsbG8gd29ybGQ=", UnsupportedMedia), (b"iVBORw0KGgo=", BadInput)]
)
def test_what_is_no_picture_is_refused(tmp_path: Path, text: bytes, error: type[ServingError]) -> None:
    with pytest.raises(error):
        read(text, models.text_detector(tmp_path / "det"), None)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadConfig, match=r"needs a text detector: .* this model takes x float32\[-1, 13\] and gives price"
    ):
        read(b"", models.uci(tmp_path / "uci"), None)


def test_the_trained_models_read_a_street_sign() -> None:
    folders = [ROOT / "serving_model" / name for name in ("ppocr_det", "ppocr_rec")]
    if not all(folder.exists() for folder in folders):
        pytest.skip("the models are not there: python convert/ppocr.py")
    text = encoded(_picture(ROOT / "static" / "samples" / "street_sign_zh.jpg"))
    characters = [*read_characters(folders[1] / "ppocr_keys_v1.txt"), " "]
    said = [line for line, _ in ctc_decode(read(text, folders[0], folders[1]), characters)]
    assert said == ["老北京炸酱面馆", "解放东路", "JIEFANGDONGLU"]


def _picture(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    import cv2

    return np.asarray(cv2.imread(str(path)), np.uint8)
