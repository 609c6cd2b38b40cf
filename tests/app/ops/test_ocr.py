from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.ops.ocr import OCRReader, ctc_decode, normalized_line, read_characters
from paddle_serving_client.errors import BadConfig, BadInput
from tests.app.ops.record_originals import CHARACTERS
from tests.app.ops.recorded import frozen, recorded

RECORDED = {name: frozen(array) for name, array in recorded("ocr").items()}


@pytest.fixture
def chinese(tmp_path: Path) -> OCRReader:
    (tmp_path / "characters.txt").write_text("\r\n".join(CHARACTERS) + "\r\n", encoding="utf-8")
    return OCRReader(char_dict_path=tmp_path / "characters.txt")


def test_lines_as_the_original(chinese: OCRReader) -> None:
    short, long = RECORDED["short.in"], RECORDED["long.in"]
    assert np.array_equal(chinese.resize_norm_img(short, 5.3), RECORDED["line_ch.out"])
    assert np.array_equal(chinese.resize_norm_img(long, 3.0), RECORDED["line_ch_tight.out"])
    assert np.array_equal(OCRReader(char_type="en").resize_norm_img(long, 5.3), RECORDED["line_en.out"])
    assert np.array_equal(chinese.preprocess([short, long]), RECORDED["first.out"])


def test_texts_of_v1_as_the_original(chinese: OCRReader) -> None:
    outputs = {
        "ctc_greedy_decoder_0.tmp_0": RECORDED["classes.in"],
        "ctc_greedy_decoder_0.tmp_0.lod": RECORDED["classes_ends.in"],
        "softmax_0.tmp_0": RECORDED["steps.in"],
        "softmax_0.tmp_0.lod": RECORDED["steps_ends.in"],
    }
    assert [text for (text,) in chinese.postprocess(outputs)] == RECORDED["v1_texts.out"].tolist()
    scores = [score for _, score in chinese.postprocess(outputs, with_score=True)]
    assert scores == pytest.approx(RECORDED["v1_scores.out"].tolist(), abs=1e-6)


def test_texts_of_v2_as_the_original(chinese: OCRReader) -> None:
    read = chinese.postprocess_ocrv2({"save_infer_model/scale_0.tmp_1": RECORDED["v2.in"]}, with_score=True)
    assert [text for text, _ in read] == RECORDED["v2_texts.out"].tolist()
    assert [score for _, score in read] == pytest.approx(RECORDED["v2_scores.out"].tolist(), abs=1e-6)


def test_later_models_get_lines_of_their_height() -> None:
    line = np.full((24, 60, 3), 255, np.uint8)
    made = OCRReader(image_shape=[3, 48, 320], char_type="en").resize_norm_img(line, 2.5)
    assert made.shape == (3, 48, 320)
    assert made[:, :, :120].min() == 1
    assert not made[:, :, 120:].any()
    assert normalized_line(np.zeros((10, 1, 3), np.uint8), 48, 48).shape == (3, 48, 48)


def test_ctc_drops_blanks_and_repetitions() -> None:
    steps = np.full((2, 7, 4), 0.01, np.float32)
    for step, k in enumerate([1, 1, 0, 1, 2, 2, 3]):
        steps[0, step, k] = 0.6 + step / 10
    steps[1, :, 0] = 0.9
    assert ctc_decode(steps, ["你", "好", " "]) == [
        ("你你好 ", pytest.approx(np.mean([0.6, 0.9, 1.0, 1.2]))),
        ("", 0.0),
    ]


def test_what_does_not_fit_says_why(tmp_path: Path, chinese: OCRReader) -> None:
    with pytest.raises(BadInput, match=r"must be \(N, T, 3\).*got float32\[1, 5, 7\]"):
        ctc_decode(np.zeros((1, 5, 7), np.float32), ["a", "b"])
    with pytest.raises(BadConfig, match="cannot be read: No such file"):
        OCRReader(char_dict_path=tmp_path / "nothing.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
    with pytest.raises(BadConfig, match="not UTF-8"):
        read_characters(tmp_path / "latin.txt")
    with pytest.raises(BadConfig, match="'fr'"):
        OCRReader(char_type="fr")
    with pytest.raises(BadInput, match="no line"):
        chinese.preprocess([])
