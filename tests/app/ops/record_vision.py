"""Record what the operations for detection, segmentation and video of Paddle Serving 0.9 return.

    (the environment of record_originals.py, with "numpy<1.24" and "opencv-python-headless==3.4.17.63")
    original/bin/python tests/app/ops/record_vision.py

Writes tests/data/ops/{detection,boxes_drawn,masks,video}.npz: inputs as `NAME.in` and results as `NAME.out`. The
tests need neither this script nor the old package. Written for Python 3.8.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import random
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
GOAL = ROOT / "tests" / "data" / "ops"
PICTURES = ROOT / "tests" / "data" / "pictures"
LABELS = ["background", "person", "traffic light", "cat"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def photo(name: str, left: int, top: int, width: int, height: int) -> Any:
    """A piece of a real picture, small enough to keep."""
    picture: Any = cv2.imread(str(PICTURES / name))
    return picture[top : top + height, left : left + width].copy()


def png(image: Any) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def record_detection(reader: Any, pddet: Any, folder: Path) -> dict[str, Any]:
    """A picture to the input of a detector, and what goes with it."""
    path = folder / "part.png"
    path.write_bytes(png(photo("flower.jpg", 290, 120, 45, 31)))
    chains = {
        "rcnn": [
            reader.DetectionFile2Image(),
            reader.DetectionNormalize(MEAN, STD, True),
            reader.DetectionResize((25, 35), True, interpolation=2),
            reader.DetectionTranspose((2, 0, 1)),
            reader.DetectionPadStride(16),
        ],
        "yolo": [
            reader.DetectionFile2Image(),
            reader.DetectionResize((24, 32), False, interpolation=1),
            reader.DetectionBGR2RGB(),
            reader.DetectionDiv(255.0),
            reader.DetectionTranspose((2, 0, 1)),
        ],
        "square": [
            reader.DetectionFile2Image(),
            reader.DetectionResize(20),
            reader.DetectionNormalize(MEAN, STD, False),
        ],
    }
    out: dict[str, Any] = {"picture.in": np.frombuffer(path.read_bytes(), np.uint8)}
    for name, chain in chains.items():
        array, info = reader.DetectionSequential(chain)(str(path))
        out[f"{name}.out"] = array
        out[f"{name}_shape.out"], out[f"{name}_scale.out"] = info["im_shape"], info["scale_factor"]
    sizes = np.vstack([np.random.RandomState(5).randint(20, 600, (60, 2)), [[800, 1333], [1333, 800], [61, 90]]])
    out["sizes.in"] = sizes
    for name, op in {
        "ratio": reader.DetectionResize((300, 500)),
        "exact": reader.DetectionResize((30, 41), False),
    }.items():
        infos: list[Any] = []
        for height, width in sizes:
            infos.append(op(np.zeros((height, width, 3), np.uint8), {})[1])
        out[f"sizes_{name}.out"] = np.array([[*info["im_shape"], *info["scale_factor"]] for info in infos])
    centred = reader.ImageReader(image_shape=[3, 20, 20], resize_short_size=24)
    out["imagenet.out"] = centred.process_image(path.read_bytes())
    np.random.seed(7)
    out["imagenet_random.out"] = reader.ImageReader([3, 20, 20], resize_short_size=24, crop_center=False).process_image(
        path.read_bytes()
    )
    for arch, steps in {
        "RCNN": [
            {"type": "Normalize", "mean": MEAN, "std": STD},
            {"type": "Resize", "target_size": 20, "max_size": 30, "image_shape": [3, 30, 30]},
            {"type": "Permute"},
            {"type": "PadStride", "stride": 16},
        ],
        "YOLO": [{"type": "Resize", "target_size": 24, "interp": 2}, {"type": "Permute", "to_bgr": True}],
    }.items():
        config = folder / "infer_cfg.yml"
        said = {"arch": arch, "Preprocess": steps, "with_background": True, "label_list": LABELS[1:]}
        config.write_text(json.dumps(said))
        names = ["image", "im_info", "im_shape"] if arch == "RCNN" else ["image", "im_size"]
        for name, array in pddet.Detection(str(config), str(folder)).preprocess(names, str(path)).items():
            out[f"{arch}_{name}.out"] = array
    return out


def record_boxes_drawn(reader: Any, pddet: Any, folder: Path) -> dict[str, Any]:
    """Rows of a detector to the list and to the picture with boxes."""
    labels = folder / "labels.txt"
    labels.write_text("\n".join(LABELS) + "\n")
    path, results = folder / "street.png", folder / "output"
    path.write_bytes(png(photo("street_sign_zh.jpg", 40, 330, 150, 110)))
    rows = np.array(
        [
            [1, 0.98, 10.3, 20.7, 60.2, 80.9],
            [2, 0.51, 70, 30, 120, 100],
            [3, 0.4, 5, 5, 9, 9],
            [0, 0.7, 90, 60, 140, 95],
        ],
        np.float32,
    )
    parts = rows.copy()
    parts[:, 2:] /= [150, 110, 150, 110]
    parts[1, 2:] = [-0.2, 0.3, 1.4, 0.8]
    out: dict[str, Any] = {"picture.in": np.frombuffer(path.read_bytes(), np.uint8), "rows.in": rows, "parts.in": parts}
    out["labels.in"] = np.array(LABELS)
    for name, op, boxes, extra in (
        ("rcnn", reader.RCNNPostprocess(str(labels), str(results)), rows, {}),
        ("resized", reader.RCNNPostprocess(str(labels), str(results), [300, 200]), rows, {}),
        ("face", reader.BlazeFacePostprocess(str(labels), str(results)), parts, {"im_shape": np.array([110, 150])}),
        ("none", reader.RCNNPostprocess(str(labels), str(results)), np.array([[-1.0]], np.float32), {}),
    ):
        result = {"image": str(path), **extra, "boxes": boxes, "boxes.lod": np.array([0, len(boxes)])}
        listed = op(result)
        out[f"{name}.out"] = np.array(json.dumps(listed))
        out[f"{name}_file.out"] = np.array((results / "bbox.json").read_text())
        out[f"{name}_changed.out"] = np.asarray(Image.open(results / "street.png")) ^ np.asarray(Image.open(path))
    config = folder / "infer_cfg.yml"
    said = {"arch": "RCNN", "Preprocess": [], "with_background": True, "label_list": LABELS[1:]}
    config.write_text(json.dumps(said))
    detection = pddet.Detection(str(config), str(results))
    detection.infer_img = str(path)
    detection.postprocess({"boxes": rows, "boxes.lod": np.array([0, len(rows)])}, ["boxes"])
    out["pddet_file.out"] = np.array((results / "bbox.json").read_text())
    out["pddet_changed.out"] = np.asarray(Image.open(results / "street.png")) ^ np.asarray(Image.open(path))
    return out


def record_masks(reader: Any, folder: Path) -> dict[str, Any]:
    """A mask to its two files."""
    path = folder / "street.part.jpg"
    _, encoded = cv2.imencode(".jpg", photo("street_sign_zh.jpg", 40, 330, 90, 60))
    path.write_bytes(encoded.tobytes())
    mask = np.zeros((1, 512, 512), np.int64)
    for number in range(1, 21):
        cv2.circle(mask[0].astype(np.uint8), (25 * number, 250), 20, number, -1)
        mask[0, 20 * number : 20 * number + 60, 23 * number : 23 * number + 40] = number
    reader.SegPostprocess(21)({"filename": str(path), "save_infer_model/scale_0.tmp_0": mask})
    written = sorted(name for name in os.listdir(folder) if name.endswith("png"))
    out: dict[str, Any] = {"picture.in": np.frombuffer(path.read_bytes(), np.uint8), "mask.in": mask.astype(np.uint8)}
    out["names.out"] = np.array(written)
    for what, name in zip(("mask", "result"), written):  # noqa: B905  # Python 3.8
        out[f"{what}.out"] = cv2.imread(str(folder / name), -1)
    out["colors.out"] = np.array(importlib.import_module(reader.__name__).generate_colormap(256))
    return out


def record_video(video: Any, folder: Path) -> dict[str, Any]:
    """Frames decoded, chosen, scaled and cut."""
    path = folder / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 32))
    for k in range(12):
        writer.write(photo("flower.jpg", 200 + 10 * k, 120, 48, 32))
    writer.release()
    decoded = video.VideoDecoder()({"filename": str(path)})
    out: dict[str, Any] = {"clip.in": np.frombuffer(path.read_bytes(), np.uint8)}
    out["frames.out"] = np.array(decoded["frames"])[::5]
    for name, options in RULES.items():
        for count in COUNTS:
            random.seed(3)
            np.random.seed(3)
            # Each frame says its number.
            frames = [np.full((1, 1, 3), k, np.uint8) for k in range(count)]
            results = {"format": "video", "backend": "cv2", "frames": frames, "frames_len": count}
            try:
                chosen = video.Sampler(**options)(results)["imgs"]
            except (IndexError, ZeroDivisionError, ValueError):
                continue  # it fails on short videos
            out[f"{name}_{count}.out"] = np.array([img.getpixel((0, 0))[0] for img in chosen])
    imgs = [Image.fromarray(photo("flower.jpg", 300 + 9 * k, 130, 34, 26)[:, :, ::-1]) for k in range(2)]
    out["imgs.in"] = np.array([np.asarray(img) for img in imgs])
    for name, options in SCALES.items():
        scaled = video.Scale(**options)({"imgs": list(imgs)})["imgs"]
        out[f"scale_{name}.out"] = np.array([np.asarray(img) for img in scaled])
    tall = [img.rotate(90, expand=True) for img in imgs]
    out["scale_tall.out"] = np.array([np.asarray(i) for i in video.Scale(20, False, True)({"imgs": tall})["imgs"]])
    cut = video.TenCrop(16)({"imgs": list(imgs)})
    out["ten.out"] = np.array([np.asarray(img) for img in cut["imgs"]])
    out["tchw.out"] = video.Normalization(MEAN, STD)(video.Image2Array()({"imgs": list(imgs)}))["imgs"]
    out["cthw.out"] = video.Image2Array(data_format="cthw")({"imgs": list(imgs)})["imgs"]
    whole = [np.asarray(img) for img in imgs]
    out["inplace.out"] = video.Normalization([123.0, 117.0, 104.0], [58.0, 57.0, 56.0], inplace=True)({"imgs": whole})[
        "imgs"
    ]
    return out


COUNTS = (1, 3, 8, 9, 30, 63, 64, 65, 200)
RULES = {
    "middle": {"num_seg": 8, "seg_len": 1, "valid_mode": True},
    "middle_3": {"num_seg": 4, "seg_len": 3, "valid_mode": True},
    "random": {"num_seg": 4, "seg_len": 3},
    "left": {"num_seg": 8, "seg_len": 1, "valid_mode": True, "select_left": True},
    "left_random": {"num_seg": 8, "seg_len": 1, "select_left": True},
    "dense": {"num_seg": 8, "seg_len": 1, "valid_mode": True, "dense_sample": True},
    "dense_random": {"num_seg": 8, "seg_len": 1, "dense_sample": True},
    "line": {"num_seg": 8, "seg_len": 1, "linspace_sample": True},
    "interval": {"num_seg": 2, "seg_len": 4, "frame_interval": 5, "valid_mode": True},
    "interval_random": {"num_seg": 2, "seg_len": 4, "frame_interval": 5},
}
SCALES: dict[str, dict[str, Any]] = {
    "ratio": {"short_size": 20},
    "square": {"short_size": 20, "fixed_ratio": False},
    "keep": {"short_size": 20, "fixed_ratio": False, "keep_ratio": True},
    "keep_round": {"short_size": 21, "fixed_ratio": False, "keep_ratio": True, "do_round": True},
    "cv2": {"short_size": 20, "backend": "cv2"},
}


def main() -> None:
    sys.modules["paddle"] = types.ModuleType("paddle")  # the video steps import it, and do not use it here
    reader = importlib.import_module("paddle_serving_app.reader.image_reader")
    pddet = importlib.import_module("paddle_serving_app.reader.pddet.image_tool")
    video = importlib.import_module("paddle_serving_app.reader.pptsn_reader")
    records: dict[str, Callable[[Path], dict[str, Any]]] = {
        "detection": lambda folder: record_detection(reader, pddet, folder),
        "boxes_drawn": lambda folder: record_boxes_drawn(reader, pddet, folder),
        "masks": lambda folder: record_masks(reader, folder),
        "video": lambda folder: record_video(video, folder),
    }
    for name, record in records.items():
        with tempfile.TemporaryDirectory() as folder:
            arrays = record(Path(folder))
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        (GOAL / f"{name}.npz").write_bytes(file.getvalue())
        print(f"{name}.npz: {len(arrays)} arrays, {len(file.getvalue())} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
