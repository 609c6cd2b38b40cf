"""What a segmentation model answers, a class for each pixel, as files, shares and drawings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from paddle_serving_app.ops.arrays import MAX_PIXELS, ImageU8, require_hwc
from paddle_serving_app.ops.decode import File2Image
from paddle_serving_app.ops.draw import shown_text, text_font
from paddle_serving_app.ops.labels import color_map
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array, describe

Mask: TypeAlias = NDArray[np.int32]
"""(H, W), the class of each pixel."""
MAX_CLASSES = 256
"""Of one model; ADE20K has 150. A mask is kept as 8 bits a pixel in files."""
MAX_LEGEND = 12
"""Rows of a legend; the classes with the largest shares."""
_OLD_SIDE = 512


def class_mask(output: Array, class_num: int) -> Mask:
    """The class of each pixel, whatever form the model's answer has.

    Args:
        output: for one picture: scores or probabilities (1, C, H, W) or (C, H, W) with C = `class_num`, of which the
            largest wins; or classes already, integers or whole floats, (H, W) with any axes of 1 around them.
        class_num: how many classes there are.

    Returns:
        (H, W) int32, 0 to class_num - 1.

    Raises:
        BadInput: another shape, several pictures, or a class that is none.
        TooLarge: over `MAX_PIXELS`.
    """
    array = np.asarray(output)
    if array.size > MAX_PIXELS * max(class_num, 1):
        raise TooLarge(f"a mask of {describe(array)} is too large; at most {MAX_PIXELS:,} pixels are read")
    if array.dtype.kind not in "fiub" or array.size == 0:
        raise BadInput(f"a mask is numbers, got {describe(array)}")
    scores = array[0] if array.ndim == 4 and len(array) == 1 else array
    if scores.ndim == 3 and len(scores) == class_num > 1:
        return np.asarray(scores.argmax(axis=0), np.int32)
    mask = array.reshape([side for side in array.shape if side != 1] if array.ndim > 2 else array.shape)
    if array.ndim > 2 and mask.ndim < 2:
        mask = array.reshape(array.shape[-2:]) if array.size == array.shape[-1] * array.shape[-2] else array
    if mask.ndim != 2:
        raise BadInput(f"a mask of {class_num} classes is [H, W] or scores [{class_num}, H, W], got {describe(array)}")
    least, most = float(mask.min()), float(mask.max())
    if not (least >= 0 and most < class_num):  # also of NaN
        raise BadInput(f"the mask has classes from {least:g} to {most:g}, but there are {class_num}, from 0")
    return np.asarray(mask, np.int32)


def class_shares(mask: Mask, class_num: int) -> list[float]:
    """The part of the picture that each class covers: `class_num` numbers that add up to 1."""
    return [float(count) / mask.size for count in np.bincount(mask.reshape(-1), minlength=class_num)]


class MaskOverlay:
    """A mask painted over its picture, with a legend: what a service answers.

    Args:
        labels: the name of each class, from 0.
        colors: RGB of each class, (classes, 3); None: those of `labels.color_map`.
        opacity: of the paint, 0 to 1.
        background: a class that is not painted; None paints all.
        font: of the legend, see `BoxDrawing`.

    Call with
        image: (H, W, 3) uint8, BGR. Not modified.
        mask: see `Mask`, of any size; it is brought to that of the picture without mixing classes.
        legend: whether to name the classes, with their shares, in a corner.
    Returns a new (H, W, 3) uint8, BGR.

    Raises:
        BadConfig: not as many colours as labels.
        BadInput: not a picture, or not a mask of these classes.
    """

    def __init__(
        self,
        labels: Sequence[str],
        colors: Sequence[Sequence[int]] | Array | None = None,
        opacity: float = 0.5,
        background: int | None = 0,
        font: str | Path = "",
    ) -> None:
        self.labels = list(labels)
        if not 1 <= len(self.labels) <= MAX_CLASSES:
            raise BadConfig(f"MaskOverlay needs the names of 1 to {MAX_CLASSES} classes, got {len(self.labels)}")
        self.colors = np.array(color_map(len(self.labels)) if colors is None else colors, np.uint8)
        if self.colors.shape != (len(self.labels), 3):
            raise BadConfig(f"MaskOverlay needs one colour (red, green, blue) for each of {len(self.labels)} classes")
        if not 0 <= opacity <= 1:
            raise BadConfig(f"opacity is a number from 0 to 1, got {opacity}")
        self.opacity = opacity
        self.background = background
        self.font = str(font)

    def __call__(self, image: ImageU8, mask: Array, legend: bool = True) -> ImageU8:
        require_hwc(image, "MaskOverlay")
        classes = class_mask(mask, len(self.labels))
        fitted = cv2.resize(classes.astype(np.uint8), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
        paint = self.colors[:, ::-1][fitted]
        mixed: ImageU8 = cv2.addWeighted(image, 1 - self.opacity, paint, self.opacity, 0).astype(np.uint8, copy=False)
        if self.background is not None:
            is_plain = fitted == self.background
            mixed[is_plain] = image[is_plain]
        return self._with_legend(mixed, class_shares(classes, len(self.labels))) if legend else mixed

    def __repr__(self) -> str:
        return f"MaskOverlay({len(self.labels)} labels, opacity={self.opacity})"

    def _with_legend(self, image: ImageU8, shares: Sequence[float]) -> ImageU8:
        """A white box in the lower left corner: a square of each colour, a name, a share."""
        shown = [k for k in np.argsort(shares)[::-1].tolist() if shares[k] > 0 and k != self.background][:MAX_LEGEND]
        points = int(np.clip(max(image.shape[:2]) / 40, 10, 40))
        font = text_font(points, self.font)
        rows = [f"{shown_text(self.labels[k], f'#{k}', self.font)}  {shares[k]:.1%}" for k in shown]
        if not rows:
            return image
        step = int(points * 1.5)
        width = int(max(font.getbbox(row)[2] for row in rows)) + 2 * step
        top = image.shape[0] - step * len(rows) - step // 2
        canvas = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
        pen = ImageDraw.Draw(canvas)
        pen.rectangle((0, top, width, image.shape[0]), fill=(255, 255, 255))
        for line, (k, row) in enumerate(zip(shown, rows, strict=True)):
            y = top + step // 4 + line * step
            pen.rectangle((step // 4, y + step // 8, step, y + step - step // 8), fill=tuple(self.colors[k].tolist()))
            pen.text((step * 5 // 4, y + step // 8), row, font=font, fill=(0, 0, 0))
        return np.ascontiguousarray(np.asarray(canvas)[:, :, ::-1])


class SegPostprocess:
    """A mask of 512x512 to two files beside the picture: the mask itself, and the mask in colours.

    Args:
        class_num: how many classes there are.

    Call with {"filename": path of the picture, OUTPUT: mask}, which is what `Client.predict` returned with the path
    put into it; of several outputs the last without ".lod" counts. For `DIR/NAME.EXT` it writes, and replaces,
    `DIR/NAME_EXT_mask.png`, classes as grey values, and `DIR/NAME_EXT_result.png`, in the colours of Pascal VOC, as
    large as the picture. Returns None.

    For scripts: as `File2Image`, never for a path that came with a request. `MaskOverlay` is for services.

    Raises:
        BadInput: no file name, no mask of 512x512, or a class that is none.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py; both files are equal, pixel by pixel. Its
        colours are those of VOC with red and blue exchanged, and so are these. It took the size of a picture before
        applying its EXIF orientation.
    """

    def __init__(self, class_num: int) -> None:
        if not 1 <= class_num <= MAX_CLASSES:
            raise BadConfig(f"SegPostprocess takes 1 to {MAX_CLASSES} classes, got {class_num}")
        self.class_num = class_num
        self._colors = color_map(class_num)

    def __call__(self, image_with_result: Mapping[str, Any]) -> None:
        if "filename" not in image_with_result:
            raise BadInput("the result has no 'filename': put the path of the picture into it")
        names = [key for key in image_with_result if ".lod" not in key and "filename" not in key]
        if not names:
            raise BadInput("the result has no mask, only a file name")
        mask = self._mask_of(names[-1], np.asarray(image_with_result[names[-1]]))
        path = Path(os.fspath(image_with_result["filename"]))
        height, width = File2Image()(path).shape[:2]
        kind = f"_{path.suffix[1:]}" if path.suffix else ""
        painted = cv2.resize(self._colors[mask], (width, height), interpolation=cv2.INTER_CUBIC)
        for what, picture in (("mask", mask), ("result", painted)):
            target = path.with_name(f"{path.stem}{kind}_{what}.png")
            target.write_bytes(cv2.imencode(".png", picture)[1].tobytes())

    def __repr__(self) -> str:
        return f"SegPostprocess({self.class_num})"

    def _mask_of(self, name: str, mask: Array) -> Array:
        if mask.size != _OLD_SIDE**2 or mask.dtype.kind not in "fiub":
            raise BadInput(f"{name} must be a mask of {_OLD_SIDE}x{_OLD_SIDE} classes, got {describe(mask)}")
        return class_mask(mask.reshape(_OLD_SIDE, _OLD_SIDE), self.class_num).astype(np.uint8)
