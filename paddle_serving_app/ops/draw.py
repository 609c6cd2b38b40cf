"""Results drawn on pictures, for people to look at."""

import functools
import glob
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from paddle_serving_app.ops.arrays import ImageU8, require_hwc
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array

_FONTS = (
    # (files, which face of a collection speaks Simplified Chinese), best first
    ("/usr/share/fonts/**/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/**/NotoSansCJKsc-Regular.otf", 0),
    ("/usr/share/fonts/**/NotoSansSC*.[ot]tf", 0),
    ("/usr/share/fonts/**/SourceHanSans*.[ot]t[cf]", 0),
    ("/usr/share/fonts/**/wqy-*.tt[cf]", 0),
    ("/usr/share/fonts/**/DroidSansFallback*.ttf", 0),
    ("/System/Library/Fonts/PingFang.ttc", 2),
    ("/System/Library/Fonts/Hiragino Sans GB.ttc", 0),
    ("C:/Windows/Fonts/msyh.ttc", 0),
)
_COLORS = ((60, 76, 231), (219, 152, 52), (96, 174, 39), (18, 156, 243), (182, 89, 155), (133, 160, 22))
"""BGR. Neighbouring boxes get different ones; white text is legible on each."""


class BoxDrawing:
    """Draw polygons, and what was read in them, on a picture.

    Args:
        font: a font file for the texts; "" looks for one with Chinese characters among the usual ones of the system.
            Where there is none, texts that are not plain ASCII are replaced by the number of their box, from 1.

    Call with
        image: (H, W, 3) uint8, BGR. Not modified.
        boxes: polygons, each (P, 2) corners (x, y) in pixels; P may differ.
        texts: one for each box; None draws only the boxes.
        scores: one for each box, 0..1, written behind the text with two digits; may be None.
        kinds: a number for each box: those of one number have one colour. None: neighbours have different ones.
    Returns a new (H, W, 3) uint8, BGR.

    Raises:
        BadInput: not a picture, or not as many texts, scores or kinds as boxes.
        BadConfig: `font` cannot be read.
    """

    def __init__(self, font: str | Path = "") -> None:
        self.font = str(font)
        if font:
            _loaded(self.font, 0, 12)

    def __call__(
        self,
        image: ImageU8,
        boxes: Sequence[ArrayLike] | Array,
        texts: Sequence[str] | None = None,
        scores: Sequence[float] | None = None,
        kinds: Sequence[int] | None = None,
    ) -> ImageU8:
        require_hwc(image, "BoxDrawing")
        polygons = [np.round(np.asarray(box, np.float64)).astype(np.int32).reshape(-1, 2) for box in boxes]
        for what, given in (("texts", texts), ("scores", scores), ("kinds", kinds)):
            if given is not None and len(given) != len(polygons):
                raise BadInput(f"BoxDrawing got {len(polygons)} boxes and {len(given)} {what}")
        size = max(image.shape[:2])
        drawn = image.copy()
        colors = [_COLORS[k % len(_COLORS)] for k in (range(len(polygons)) if kinds is None else kinds)]
        for polygon, color in zip(polygons, colors, strict=True):
            cv2.polylines(drawn, [polygon], True, color, thickness=max(1, size // 500), lineType=cv2.LINE_AA)
        if texts is None or not polygons:
            return drawn
        return self._labelled(drawn, polygons, _labels(texts, scores, self.font), colors)

    def __repr__(self) -> str:
        return f"BoxDrawing({self.font!r})"

    def _labelled(
        self, image: ImageU8, polygons: Sequence[Array], labels: Sequence[str], colors: Sequence[tuple[int, int, int]]
    ) -> ImageU8:
        """Write each label on a strip of its box's colour above the box, or inside where there is no room above."""
        canvas = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
        pen = ImageDraw.Draw(canvas)
        for polygon, label, (blue, green, red) in zip(polygons, labels, colors, strict=True):
            font = self._font_for(polygon, max(image.shape[:2]))
            left, top, right, bottom = font.getbbox(label)
            width, height = int(right - left) + 4, int(bottom - top) + 4
            x = int(np.clip(polygon[:, 0].min(), 0, max(image.shape[1] - width, 0)))
            y = max(int(polygon[:, 1].min()) - height, 0)
            pen.rectangle((x, y, x + width, y + height), fill=(red, green, blue))
            pen.text((x + 2 - left, y + 2 - top), label, font=font, fill=(255, 255, 255))
        return np.ascontiguousarray(np.asarray(canvas)[:, :, ::-1])

    def _font_for(self, polygon: Array, picture_size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        """A size that goes with the box, legible in the picture; in steps, so that few fonts are loaded."""
        shortest = float(min(np.linalg.norm(np.roll(polygon, -1, axis=0) - polygon, axis=1), default=0.0))
        points = int(np.clip(shortest * 0.42, max(picture_size / 110, 9), max(picture_size / 45, 12)))
        return text_font(points, self.font)


def paint_points(image: ImageU8, points: Array) -> ImageU8:
    """A picture (H, W, 3) uint8, BGR, with dots on points (P, 2), (x, y) in pixels; a new array."""
    require_hwc(image, "paint_points")
    drawn, radius = image.copy(), max(2, max(image.shape[:2]) // 150)
    limit = 4 * max(image.shape)  # what is far outside would overflow the pixels of a drawing
    for k, (x, y) in enumerate(np.clip(np.round(points), -limit, limit).astype(int).tolist()):
        cv2.circle(drawn, (x, y), radius, _COLORS[k % len(_COLORS)], -1, cv2.LINE_AA)
    return drawn


def text_font(points: int, file: str = "") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font for texts on pictures: that of a file, or one with Chinese characters, or a Latin one."""
    if file:
        return _loaded(file, 0, points)
    if found := _chinese_font():
        return _loaded(*found, points)
    return _latin_font(points)


def shown_text(text: str, instead: str, file: str = "") -> str:
    """One printable line of bounded length; `instead` where `text_font` has not the characters."""
    shown = "".join(c if c.isprintable() else " " for c in text[:200])
    return shown if file or shown.isascii() or _chinese_font() else instead


def _labels(texts: Sequence[str], scores: Sequence[float] | None, font: str) -> list[str]:
    labels = []
    for k, text in enumerate(texts):
        label = shown_text(text, f"#{k + 1}", font)  # whoever sends a picture decides what is in the text
        labels.append(f"{label} {scores[k]:.2f}" if scores is not None else label or " ")
    return labels


@functools.cache
def _chinese_font() -> tuple[str, int] | None:
    for pattern, face in _FONTS:
        if pattern.startswith("C:") and sys.platform != "win32":
            continue
        if found := sorted(glob.glob(pattern, recursive=True)):
            return found[0], face
    return None


@functools.lru_cache(maxsize=32)
def _loaded(file: str, face: int, points: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(file, points, index=face)
    except OSError as exc:
        raise BadConfig(f"the font {file} cannot be read") from exc


@functools.lru_cache(maxsize=32)
def _latin_font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(points)
