"""The recognition side of OCR: pictures of lines to the network's input, and its output to text."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app.ops.arrays import Float32, ImageU8, require_hwc
from paddle_serving_app.ops.resize import resized
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array, describe

_ENGLISH = "0123456789abcdefghijklmnopqrstuvwxyz"


def read_characters(path: str | Path) -> list[str]:
    """The characters of a dictionary file: UTF-8, one on each line, none removed but the line ends."""
    try:
        lines = Path(path).read_bytes().decode("utf-8").split("\n")
    except OSError as exc:
        raise BadConfig(f"the dictionary {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise BadConfig(f"the dictionary {path} is not UTF-8") from exc
    return [character for line in lines for character in line.removesuffix("\r")]


def normalized_line(image: ImageU8, height: int, width: int) -> Float32:
    """Resize a line to a height, scale it to -1..1, and fill up to a width with zeros (grey) on the right.

    Args:
        image: (H, W, 3) uint8, BGR. Not modified.
        height, width: of the result, in pixels. The line keeps its proportions, unless it would not fit.

    Returns:
        (3, height, width) float32, freshly allocated.

    Source: RapidAI/RapidOCR, ch_ppocr_rec/text_recognize.py and ch_ppocr_cls/text_cls.py `resize_norm_img`; equal.
    """
    require_hwc(image, "a line of text")
    used = min(math.ceil(height * (image.shape[1] / image.shape[0])), width)
    line = np.zeros((3, height, width), np.float32)
    scaled = resized(image, used, height).transpose(2, 0, 1).astype(np.float32)
    scaled /= 255
    scaled -= 0.5
    scaled /= 0.5
    line[:, :, :used] = scaled
    return line


def ctc_decode(probabilities: Float32, characters: Sequence[str]) -> list[tuple[str, float]]:
    """Read the output of a CTC network: the likeliest character of each step, without repetitions and blanks.

    Args:
        probabilities: (N, T, C); class 0 is the blank.
        characters: of the other classes: `characters[k]` is class k + 1.

    Returns:
        For each line its text, and the mean probability of its characters (0.0 where there are none).

    Raises:
        BadInput: the network has other classes than there are characters.

    Source: RapidAI/RapidOCR, ch_ppocr_rec/utils.py `CTCLabelDecode`; texts equal, scores within 1e-6.
    """
    if probabilities.ndim != 3 or probabilities.shape[2] != len(characters) + 1:
        expected = f"(N, T, {len(characters) + 1}), one class for each character of the dictionary and the blank"
        raise BadInput(f"the recognition output must be {expected}, got {describe(probabilities)}")
    best, chances = probabilities.argmax(axis=2), probabilities.max(axis=2)
    is_read = best != 0
    is_read[:, 1:] &= best[:, 1:] != best[:, :-1]
    return [
        ("".join(characters[k - 1] for k in classes[mask]), float(chance[mask].mean()) if mask.any() else 0.0)
        for classes, chance, mask in zip(best, chances, is_read, strict=True)
    ]


class OCRReader:
    """Recognition of PP-OCR models, under the old name.

    Args:
        algorithm, batch_num: accepted as in Paddle Serving, without effect.
        image_shape: (channels, height, width) of the input; with "ch" the width follows the longest line.
        char_type: "ch" for any dictionary file, "en" for digits and lower-case letters at a fixed width.
        char_dict_path: the dictionary for "ch": UTF-8, one character on each line.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/ocr_reader.py `OCRReader`; equal, scores within 1e-6.
        The original computed the width of "ch" with a height of 32 whatever `image_shape`
        said, so that later models (48) got squeezed text; this uses the height.
    """

    def __init__(
        self,
        algorithm: str = "CRNN",
        image_shape: Sequence[int] = (3, 32, 320),
        char_type: str = "ch",
        batch_num: int = 1,
        char_dict_path: str | Path = "./ppocr_keys_v1.txt",
    ) -> None:
        del algorithm, batch_num
        if char_type not in ("ch", "en"):
            raise BadConfig(f"OCRReader reads char_type 'ch' (any dictionary file) and 'en', got {char_type!r}")
        self.rec_image_shape = tuple(image_shape)
        self.character_type = char_type
        self._characters = list(_ENGLISH) if char_type == "en" else read_characters(char_dict_path)

    def resize_norm_img(self, img: ImageU8, max_wh_ratio: float) -> Float32:
        """One line as (3, H, W) float32, -1..1, zeros to the right.

        Args:
            img: (h, w, 3) uint8, BGR.
            max_wh_ratio: width / height of the longest line of the batch.
        """
        _, height, width = self.rec_image_shape
        return normalized_line(img, height, int(height * max_wh_ratio) if self.character_type == "ch" else width)

    def preprocess(self, img_list: Sequence[ImageU8]) -> Float32:
        """The first line only, as wide as the longest would need: (3, H, W). So it always was."""
        if not img_list:
            raise BadInput("there is no line to recognize")
        for img in img_list:
            require_hwc(img, "a line of text")
        return self.resize_norm_img(img_list[0], max(img.shape[1] / img.shape[0] for img in img_list))

    def postprocess(self, outputs: Mapping[str, Any], with_score: bool = False) -> list[list[Any]]:
        """Read the outputs of PP-OCR v1, whose network decodes by itself: `[[text]]` or `[[text, score]]`.

        Args:
            outputs: `ctc_greedy_decoder_0.tmp_0` (K, 1), class 0 is the first character, with its `.lod`; for scores
                `softmax_0.tmp_0` (T, C), the last class is the blank, with its `.lod`.
        """
        classes = np.asarray(outputs["ctc_greedy_decoder_0.tmp_0"]).reshape(-1)
        ends = outputs["ctc_greedy_decoder_0.tmp_0.lod"]
        lines: list[list[Any]] = []
        for first, last in zip(ends, ends[1:], strict=False):
            blank = len(self._characters)
            lines.append(["".join(self._characters[int(k)] for k in classes[first:last] if k != blank)])
        if with_score:
            probabilities = np.asarray(outputs["softmax_0.tmp_0"], np.float32)
            ends = outputs["softmax_0.tmp_0.lod"]
            for line, first, last in zip(lines, ends, ends[1:], strict=False):
                line.append(_score_without_last(probabilities[first:last]))
        return lines

    def postprocess_ocrv2(self, outputs: Mapping[str, Any], with_score: bool = False) -> list[tuple[str, float]]:
        """Read the output `save_infer_model/scale_0.tmp_1` (N, T, C) of PP-OCR v2 and later: (text, score) pairs.

        Scores always come, `with_score` or not, as they did; of an empty text it is 0.0 (the original: NaN).
        """
        del with_score
        space = [] if self.character_type == "en" else [" "]
        return ctc_decode(np.asarray(outputs["save_infer_model/scale_0.tmp_1"]), self._characters + space)


def _score_without_last(probabilities: Array) -> float:
    best = probabilities.argmax(axis=1)
    chosen = probabilities.max(axis=1)[best != probabilities.shape[1] - 1]
    return float(chosen.mean()) if chosen.size else 0.0
