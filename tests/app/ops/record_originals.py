"""Record what the operations of Paddle Serving 0.9 return, for the tests of ours to compare with.

    python3.8 -m venv original
    original/bin/pip install opencv-python==3.4.17.63 "shapely<2" pyclipper "pillow<10" six sentencepiece
    original/bin/pip install --no-deps paddle-serving-app==0.9.0
    original/bin/python tests/app/ops/record_originals.py

Writes tests/data/ops/*.npz: inputs as `NAME.in` and results as `NAME.out`. (0.9 asked for OpenCV 3.4.17.61, of which
no wheel is left; .63 is the same code.) The tests need neither this script nor the old package. Written for Python 3.8.
"""

from __future__ import annotations

import importlib
import io
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
GOAL = ROOT / "tests" / "data" / "ops"
PICTURES = ROOT / "tests" / "data" / "pictures"
CHARACTERS = "abcdefghij0123456789百年路"


def photo(name: str, left: int, top: int, width: int, height: int) -> Any:
    """A piece of a real picture, small enough to keep."""
    picture: Any = cv2.imread(str(PICTURES / name))
    return picture[top : top + height, left : left + width].copy()


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def record_decode(reader: Any) -> dict[str, Any]:
    """Picture files of each kind and colour layout, and the array they become."""
    rgb = Image.fromarray(photo("flower.jpg", 300, 120, 48, 32)[:, :, ::-1])
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(np.tile(np.arange(0, 240, 5, dtype=np.uint8), (32, 1))))
    deep = np.asarray(rgb.convert("L")).astype(np.uint16) * 257
    files = {
        "jpeg": encoded(rgb, "JPEG", quality=90),
        "jpeg_444": encoded(rgb, "JPEG", quality=95, subsampling=0),
        "jpeg_progressive": encoded(rgb, "JPEG", progressive=True),
        "jpeg_restarts": encoded(rgb, "JPEG", restart_marker_blocks=1),
        "jpeg_grey": encoded(rgb.convert("L"), "JPEG"),
        "jpeg_cmyk": encoded(rgb.convert("CMYK"), "JPEG"),
        "png": encoded(rgb, "PNG"),
        "png_grey": encoded(rgb.convert("L"), "PNG"),
        "png_grey_alpha": encoded(rgb.convert("LA"), "PNG"),
        "png_bits": encoded(rgb.convert("1"), "PNG"),
        "png_palette": encoded(rgb.quantize(16), "PNG"),
        "png_palette_clear": encoded(rgb.quantize(16), "PNG", transparency=3),
        "png_alpha": encoded(alpha, "PNG"),
        "png_16": cv2.imencode(".png", deep)[1].tobytes(),
        "png_16_rgb": cv2.imencode(".png", np.dstack([deep, deep // 2, deep // 3]))[1].tobytes(),
        "webp": encoded(rgb, "WEBP"),
        "webp_lossless": encoded(rgb, "WEBP", lossless=True),
        "webp_alpha": encoded(alpha, "WEBP"),
        "bmp": encoded(rgb, "BMP"),
        "bmp_palette": encoded(rgb.quantize(16), "BMP"),
        "bmp_bits": encoded(rgb.convert("1"), "BMP"),
    }
    for turn in range(10):
        exif = Image.Exif()
        exif[0x0112] = turn
        files[f"jpeg_exif_{turn}"] = encoded(rgb, "JPEG", exif=exif.tobytes())
    out: dict[str, Any] = {}
    for name, content in files.items():
        out[name + ".in"] = np.frombuffer(content, np.uint8)
        out[name + ".out"] = reader.String2Image()(content)
    return out


def record_image(reader: Any) -> dict[str, Any]:
    """Arithmetic and layout, on noise and on a real picture."""
    rng = np.random.RandomState(1)
    noise = rng.randint(0, 256, (33, 41, 3)).astype(np.uint8)
    real = photo("flower.jpg", 280, 110, 45, 35)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    unit = reader.Div(255.0)
    ops = {
        "div": reader.Div(255.0),
        "normalize_unit": lambda img: reader.Normalize(mean, std)(unit(img)),
        "normalize_255": reader.Normalize([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
        "normalize_first": lambda img: reader.Normalize(mean, std, True)(unit(img).transpose((2, 0, 1))),
        "crop_even": reader.CenterCrop(24),
        "crop_odd": reader.CenterCrop(31),
        "transpose": reader.Transpose((2, 0, 1)),
        "bgr2rgb": reader.BGR2RGB(),
        "rgb2bgr": reader.RGB2BGR(),
        "pad": lambda img: reader.PadStride(32)(img.transpose((2, 0, 1))),
        "sequence": reader.Sequential(
            [reader.Resize(32), reader.CenterCrop(28), reader.BGR2RGB(), reader.Transpose((2, 0, 1)), unit]
            + [reader.Normalize(mean, std, True)]
        ),
    }
    out: dict[str, Any] = {"noise.in": noise, "real.in": real}
    for name, op in ops.items():
        for which, image in (("noise", noise), ("real", real)):
            out[f"{name}/{which}.out"] = op(image.copy())
    return out


def record_resize(reader: Any) -> dict[str, Any]:
    """Pixels for a few sizes, and only the shape for many, since the rules for sizes are what is odd."""
    real = photo("flower.jpg", 280, 100, 80, 72)
    ops = {
        "short_64": reader.Resize(64),
        "short_100": reader.Resize(100),
        "short_64_max_70": reader.Resize(64, 70),
        "exact_64_48": reader.Resize((64, 48)),
        "exact_64_48_max_50": reader.Resize((64, 48), 50),
        "short_64_nearest": reader.Resize(64, interpolation=cv2.INTER_NEAREST),
        "short_64_cubic": reader.Resize(64, interpolation=cv2.INTER_CUBIC),
        "short_64_area": reader.Resize(64, interpolation=cv2.INTER_AREA),
        "factor_32": reader.ResizeByFactor(),
        "factor_32_max_100": reader.ResizeByFactor(32, 100),
        "factor_16": reader.ResizeByFactor(16, 2400),
    }
    out: dict[str, Any] = {"real.in": real}
    for name, op in ops.items():
        out[name + ".out"] = op(real.copy())
    rng = np.random.RandomState(2)
    sizes = np.vstack([rng.randint(2, 900, (150, 2)), [[31, 32], [33, 63], [64, 65], [2400, 40], [2, 2]]])
    rules = {
        "shapes_factor_32": reader.ResizeByFactor(32, 640),
        "shapes_factor_64": reader.ResizeByFactor(64, 640),
        "shapes_short_50_max_200": reader.Resize(50, 200),
    }
    out["shapes.in"] = sizes
    for name, op in rules.items():
        out[name + ".out"] = np.array([op(np.zeros((h, w, 3), np.uint8)).shape for h, w in sizes])
    return out


def text_map(rng: np.random.RandomState, height: int, width: int) -> Any:
    """Something like a detector's answer: bright rotated bars with soft edges, faint smears, specks."""
    canvas = np.zeros((height, width), np.float32)
    for _ in range(9):
        centre = (float(rng.randint(20, width - 20)), float(rng.randint(12, height - 12)))
        size = (float(rng.randint(20, 90)), float(rng.randint(5, 16)))
        corners = cv2.boxPoints((centre, size, float(rng.choice([0, 0, 3, -7, 30, 90]))))
        cv2.fillPoly(canvas, [corners.astype(np.int32)], float(rng.uniform(0.35, 1.0)))
    for _ in range(12):
        cv2.circle(canvas, (rng.randint(width), rng.randint(height)), 1, 0.9, -1)
    return cv2.GaussianBlur(canvas, (0, 0), 1.2).astype(np.float16)


def record_boxes(reader: Any) -> dict[str, Any]:
    """Detection: maps to boxes, boxes filtered and sorted, boxes cut out."""
    rng = np.random.RandomState(3)
    maps = np.stack([text_map(rng, 160, 256)[None] for _ in range(3)] + [np.zeros((1, 160, 256), np.float16)])
    ratios = np.array([[1.0, 1.0], [0.5, 0.5], [0.8, 1.25], [1.0, 1.0]])
    find = reader.DBPostProcess({"thresh": 0.3, "box_thresh": 0.5, "max_candidates": 1000, "unclip_ratio": 1.5})
    out: dict[str, Any] = {"maps.in": maps, "ratios.in": ratios}
    found = find(maps.astype(np.float32), ratios.tolist())
    for k, boxes in enumerate(found):
        out[f"found_{k}.out"] = np.array(boxes, np.int16).reshape(-1, 4, 2)
        filtered = reader.FilterBoxes(10, 10)(np.array(boxes).reshape(-1, 4, 2), [150, 240, 3])
        out[f"filtered_{k}.out"] = filtered.reshape(-1, 4, 2)
    rows = rng.randint(0, 400, (60, 1, 2)) + np.array([[0, 0], [50, 2], [50, 14], [0, 12]])
    rows[:, :, 1] //= 3
    out["rows.in"] = rows.astype(np.float32)
    out["rows.out"] = np.array(reader.SortedBoxes()(out["rows.in"].copy()))
    real = photo("street_sign_zh.jpg", 40, 330, 220, 180)
    out["real.in"] = real
    quads = [
        [[10, 20], [120, 20], [120, 60], [10, 60]],
        [[18, 70], [190, 40], [198, 88], [24, 120]],
        [[30, 10], [60, 12], [58, 130], [28, 126]],
        [[0, 0], [219, 0], [219, 179], [0, 179]],
        [[100, 90], [140, 60], [160, 90], [118, 118]],
    ]
    out["quads.in"] = np.array(quads, np.float32)
    for k, quad in enumerate(out["quads.in"]):
        out[f"crop_{k}.out"] = reader.GetRotateCropImage()(real, quad.copy())
    return out


def record_ocr(ocr_reader: Any) -> dict[str, Any]:
    """Recognition: lines to inputs, outputs to texts."""
    rng = np.random.RandomState(4)
    with tempfile.TemporaryDirectory() as folder:
        dictionary = Path(folder) / "characters.txt"
        dictionary.write_text("\n".join(CHARACTERS) + "\n", encoding="utf-8")
        chinese = ocr_reader.OCRReader(char_dict_path=str(dictionary))
    english = ocr_reader.OCRReader(char_type="en")
    short, long = photo("street_sign_zh.jpg", 60, 380, 90, 40), photo("street_sign_zh.jpg", 60, 400, 170, 36)
    out: dict[str, Any] = {"short.in": short, "long.in": long}
    out["line_ch.out"] = chinese.resize_norm_img(short, 5.3)
    out["line_ch_tight.out"] = chinese.resize_norm_img(long, 3.0)
    out["line_en.out"] = english.resize_norm_img(long, 5.3)
    out["first.out"] = chinese.preprocess([short, long])
    classes = len(CHARACTERS)
    out["classes.in"] = rng.randint(0, classes + 1, (30, 1))
    out["classes_ends.in"] = np.array([0, 12, 13, 30])
    steps = rng.dirichlet(np.full(classes + 1, 0.1), 50).astype(np.float32)
    out["steps.in"], out["steps_ends.in"] = steps, np.array([0, 20, 21, 50])
    v1 = {
        "ctc_greedy_decoder_0.tmp_0": out["classes.in"],
        "ctc_greedy_decoder_0.tmp_0.lod": out["classes_ends.in"],
        "softmax_0.tmp_0": steps,
        "softmax_0.tmp_0.lod": out["steps_ends.in"],
    }
    read = chinese.postprocess(v1, with_score=True)
    out["v1_texts.out"] = np.array([text for text, _ in read])
    out["v1_scores.out"] = np.array([score for _, score in read])
    logits = rng.dirichlet(np.full(classes + 2, 0.05), (6, 25)).astype(np.float32)
    logits[:, ::3, 0] += 1  # blanks between, as a trained network answers
    logits[:, 7] = logits[:, 8]
    out["v2.in"] = logits
    read = chinese.postprocess_ocrv2({"save_infer_model/scale_0.tmp_1": logits.copy()})
    out["v2_texts.out"] = np.array([text for text, _ in read])
    out["v2_scores.out"] = np.array([score for _, score in read])
    return out


def main() -> None:
    # By name, since these modules are only in the old package.
    image_reader = importlib.import_module("paddle_serving_app.reader.image_reader")
    ocr_reader = importlib.import_module("paddle_serving_app.reader.ocr_reader")

    GOAL.mkdir(parents=True, exist_ok=True)
    for name, arrays in {
        "decode": record_decode(image_reader),
        "image": record_image(image_reader),
        "resize": record_resize(image_reader),
        "boxes": record_boxes(image_reader),
        "ocr": record_ocr(ocr_reader),
    }.items():
        path = GOAL / (name + ".npz")
        np.savez_compressed(str(path), **arrays)
        print(f"{path.name}: {len(arrays)} arrays, {path.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
