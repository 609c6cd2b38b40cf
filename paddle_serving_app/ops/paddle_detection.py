"""Detectors of PaddleDetection before 2.0, as their `infer_cfg.yml` describes them: steps before, boxes after.

The steps here have the names and arguments of that file, and are not those of `reader`, though some are called alike.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from paddle_serving_app.ops.arrays import MAX_PIXELS, Float32, require_hwc, require_size
from paddle_serving_app.ops.boxes import boxes_in, draw_records, require_rows, write_records
from paddle_serving_app.ops.decode import File2Image
from paddle_serving_app.ops.detection import scaled
from paddle_serving_app.ops.image import Div, PadStride
from paddle_serving_app.ops.image import Normalize as _Normalize
from paddle_serving_app.ops.labels import MAX_LABELS
from paddle_serving_client.errors import BadConfig, BadInput, MissingLibrary
from paddle_serving_client.message import Array, describe

__all__ = ["Detection", "Normalize", "PadStride", "Permute", "Resize"]

MAX_CONFIG_BYTES = 1 << 20
MAX_STEPS = 32
"""In the list `Preprocess`."""


class Resize:
    """Scale (H, W, 3).

    Args:
        target_size: with `max_size` 0 both sides become this; otherwise the shorter one.
        max_size: the longer side's largest.
        interp: a constant of OpenCV, or of Pillow without `use_cv2`.
        use_cv2: False resizes with Pillow, uint8; only with `max_size` 0.
        image_shape: not None, with a `max_size`: zeros are added below and to the right, to a square of that.

    Returns (picture, the factor of its width).

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/pddet/image_tool.py; equal.
    """

    def __init__(
        self,
        target_size: int,
        max_size: int = 0,
        interp: int = cv2.INTER_LINEAR,
        use_cv2: bool = True,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        if target_size < 1 or max_size < 0 or max_size**2 > MAX_PIXELS:
            raise BadConfig(f"Resize needs positive sizes, got {target_size} and {max_size}")
        if max_size and not use_cv2:
            raise BadConfig("Resize with max_size works with use_cv2 only")
        self.target_size = target_size
        self.max_size = max_size
        self.interp = interp
        self.use_cv2 = use_cv2
        self.image_shape = image_shape

    def __call__(self, im: Array) -> tuple[Array, float]:
        require_hwc(im, "Resize")
        height, width = im.shape[:2]
        scale_y, scale_x = self.target_size / height, self.target_size / width
        if self.max_size:
            scale_x = scale_y = self.target_size / min(height, width)
            if round(scale_x * max(height, width)) > self.max_size:
                scale_x = scale_y = self.max_size / max(height, width)
        if not self.use_cv2:
            require_size(self.target_size, self.target_size, "the resized picture")
            picture = Image.fromarray(np.ascontiguousarray(im, np.uint8))
            return np.asarray(picture.resize((self.target_size, self.target_size), self.interp)), scale_x
        resized = scaled(im, scale_y, scale_x, self.interp)
        if not self.max_size or self.image_shape is None:
            return resized, scale_x
        padded = np.zeros((self.max_size, self.max_size, im.shape[2]), np.float32)
        padded[: resized.shape[0], : resized.shape[1]] = resized
        return padded, scale_x


class Normalize:
    """Subtract a mean and divide by a deviation; first divide by 255 with `is_scale`. To new float32.

    Source: as `Resize`; equal within 1e-6 of the largest value.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], is_scale: bool = True, is_channel_first: bool = False
    ) -> None:
        self.is_scale = is_scale
        self._to_unit = Div(255.0)
        self._normalize = _Normalize(mean, std, is_channel_first)

    def __call__(self, im: Array) -> Float32:
        return self._normalize(self._to_unit(im) if self.is_scale else im)


class Permute:
    """(H, W, C) to (C, H, W) with `channel_first`; then the channels reversed with `to_bgr`. Source: as `Resize`."""

    def __init__(self, to_bgr: bool = False, channel_first: bool = True) -> None:
        self.to_bgr = to_bgr
        self.channel_first = channel_first

    def __call__(self, im: Array) -> Array:
        if im.ndim != 3:
            raise BadInput(f"Permute needs a picture of three axes, got {describe(im)}")
        if self.channel_first:
            im = im.transpose((2, 0, 1))
        if self.to_bgr:
            im = im[[2, 1, 0], :, :]
        return im.copy()


_STEPS = {"Resize": Resize, "Normalize": Normalize, "Permute": Permute, "PadStride": PadStride}


class Detection:
    """What `infer_cfg.yml` says to do before and after the model.

    Args:
        config_path: that file: `arch`, `Preprocess` (a list of steps: `type`, and arguments), `label_list`,
            `with_background`.
        output_dir: gets the picture with its boxes, and `bbox.json`; see `RCNNPostprocess`.

    For scripts: as `File2Image`, never for a path that came with a request. One picture after another: `postprocess`
    draws on the picture of the last `preprocess`.

    Raises:
        BadConfig: the file is not one, or says something that is not known here.

    Source: as `Resize`; equal. Models of the kind SSD failed in it after prediction, models with masks in every way:
        of these the boxes are given, and the masks are not looked at.
    """

    def __init__(self, config_path: str | os.PathLike[Any], output_dir: str | os.PathLike[Any]) -> None:
        self.config_path = config_path
        self.output_dir = output_dir
        self.if_visualize = True
        self.if_dump_result = True
        self.infer_img: str | os.PathLike[Any] = ""
        self._shape = (1, 1)
        self._config = _read_config(config_path)
        self._steps = steps_of(self._config["Preprocess"], config_path)

    def preprocess(self, feed_var_names: Sequence[str], image_file: str | os.PathLike[Any]) -> dict[str, Array]:
        """The feed of the model for a picture, without the batch axis.

        Args:
            feed_var_names: the picture's first; then, by `arch`: YOLO the picture's size as int32 (2,); RetinaNet the
                input's size and the scale, float32 (3,); RCNN this, and the picture's size and 1; SSD nothing.
            image_file: path of the picture.
        """
        self.infer_img = image_file
        image: Array = File2Image()(image_file)[:, :, ::-1]
        self._shape = image.shape[0], image.shape[1]
        image, scale = run_steps(self._steps, image)
        fed = [image, *sizes_for(self._config["arch"], self._shape, image, scale).values()]
        if len(feed_var_names) != len(fed):
            names = ", ".join(feed_var_names)
            raise BadInput(f"{self._config['arch']} has {len(fed)} inputs, but these were named: {names}")
        return dict(zip(feed_var_names, fed, strict=True))

    def postprocess(self, fetch_map: Mapping[str, Any], fetch_var_names: Sequence[str]) -> None:
        """Write the boxes of an answer as picture and list; `fetch_var_names` are the outputs, see `boxes_in`."""
        outputs = {name: fetch_map[name] for name in fetch_var_names if name in fetch_map}
        if not outputs:
            raise BadInput(f"the result has no {fetch_var_names[0] if fetch_var_names else 'output'!r}")
        labels = labels_of(self._config)
        name = boxes_in(outputs)
        records = [self._record(row) for row in require_rows(fetch_map[name], len(labels), name).tolist()]
        if self.if_visualize:
            draw_records(self.infer_img, self.output_dir, records, labels)
        if self.if_dump_result:
            write_records(self.output_dir, records)

    def _record(self, row: Sequence[float]) -> dict[str, Any]:
        category, score, left, top, right, bottom = row
        if "SSD" in self._config["arch"]:
            height, width = self._shape
            left, right = (max(min(x, 1.0), 0.0) * width for x in (left, right))
            top, bottom = (max(min(y, 1.0), 0.0) * height for y in (top, bottom))
            box = [left, top, right - left, bottom - top]
        else:
            box = [left, top, right - left + 1, bottom - top + 1]
        return {"category_id": int(category), "bbox": box, "score": score}


def _read_config(path: str | os.PathLike[Any]) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as exc:
        raise MissingLibrary("a PaddleDetection config needs PyYAML: pip install pyyaml") from exc
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
        if len(text) > MAX_CONFIG_BYTES:
            raise BadConfig(f"{path} has more than {MAX_CONFIG_BYTES:,} bytes")
        config = yaml.safe_load(text)
    except OSError as exc:
        raise BadConfig(f"{path} cannot be read: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise BadConfig(f"{path} is not YAML") from exc
    wanted = {"arch": str, "Preprocess": list, "label_list": list}
    for name, kind in wanted.items():
        if not isinstance(config, dict) or not isinstance(config.get(name), kind):
            raise BadConfig(f"{path} needs {name}, a {'text' if kind is str else 'list'}")
    if not any(kind in config["arch"] for kind in ("YOLO", "SSD", "RetinaNet", "RCNN")):
        raise BadConfig(f"{path}: arch {config['arch'][:64]!r} is none of YOLO, SSD, RetinaNet, RCNN")
    if not 1 <= len(config["label_list"]) <= MAX_LABELS:
        raise BadConfig(f"{path} needs 1 to {MAX_LABELS:,} labels in label_list, got {len(config['label_list'])}")
    return dict(config)


def sizes_for(arch: str, shape: tuple[int, int], image: Array, scale: float) -> dict[str, Array]:
    """What a detector of a kind is given beside its picture, by the names of its inputs, in their order.

    Args:
        arch: of the config.
        shape: (height, width) of the picture as it came.
        image: (3, H, W), as the steps made it.
        scale: by which its width was resized.
    """
    if "YOLO" in arch:
        return {"im_size": np.array(shape, np.int32)}
    if "SSD" in arch:
        return {}
    info = {"im_info": np.array([*image.shape[1:], scale], np.float32)}
    return info if "RetinaNet" in arch else {**info, "im_shape": np.array([*shape, 1.0], np.float32)}


def run_steps(steps: Sequence[Any], image: Array) -> tuple[Array, float]:
    """A picture (H, W, 3), RGB, through the steps; and by how much its width was scaled."""
    scale = 1.0
    for step in steps:
        made = step(image)
        image, scale = made if isinstance(step, Resize) else (made, scale)
    return image, scale


def steps_of(entries: list[Any], path: str | os.PathLike[Any]) -> list[Any]:
    """The steps that a config names: a closed list, never code.

    Raises:
        BadConfig: one is not known, or its settings do not fit.
    """
    if len(entries) > MAX_STEPS:
        raise BadConfig(f"{path}: Preprocess has {len(entries)} steps; at most {MAX_STEPS} are read")
    steps = []
    for number, entry in enumerate(entries):
        kind = entry.get("type") if isinstance(entry, dict) else None
        if not isinstance(kind, str) or kind not in _STEPS:
            raise BadConfig(f"{path}: step {number} of Preprocess needs a type among {', '.join(_STEPS)}; got {kind!r}")
        try:
            steps.append(_STEPS[kind](**{str(name): value for name, value in entry.items() if name != "type"}))
        except TypeError as exc:
            raise BadConfig(f"{path}: step {number} of Preprocess, {kind}, has arguments that do not fit") from exc
    return steps


def labels_of(config: Mapping[str, Any]) -> list[str]:
    """The name of each class, as the numbers of the model count: with a background, or without."""
    labels = [str(label) for label in config["label_list"]]
    if config.get("with_background") and labels[0] != "background":
        return ["background", *labels]
    return labels[1:] if labels[0] == "background" and not config.get("with_background") else labels
