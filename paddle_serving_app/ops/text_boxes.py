"""From the map of a text detector to upright pictures of lines: find boxes, filter, put in reading order, cut out.

Two generations of the same rules exist: Paddle Serving 0.9's, for PP-OCR v1 and v2, and PaddleOCR's later ones. Where
they differ an operation says so and takes `like`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from paddle_serving_app.ops.arrays import MAX_PIXELS, Float32, ImageU8, Quad, require_hwc
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array, describe

Like: TypeAlias = Literal["serving-0.9", "ppocr-v4"]
"""Whose rules: Paddle Serving 0.9, or PaddleOCR since 2.6 (as used with PP-OCRv3 and v4)."""
Quads: TypeAlias = NDArray[np.int32]
"""(K, 4, 2), corners (x, y) in pixels."""

_MIN_SIDE = 3
"""Pixels of the map; smaller blobs are noise."""


def _checked(like: Like) -> Like:
    if like not in get_args(Like):
        raise BadConfig(f"`like` is one of {', '.join(get_args(Like))}; got {like!r}")
    return like


class DBPostProcess:
    """Boxes around the text in a probability map (Differentiable Binarization).

    Args:
        params: `thresh`: probability from which a pixel is text. `box_thresh`: mean probability from which a box
            counts. `max_candidates`: blobs looked at. `unclip_ratio`: how far a box is grown, since the network
            learned shrunken text. `use_dilation` (optional): thicken the binary map by a pixel first, as PP-OCRv3
            and v4 do.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `DBPostProcess`; the same boxes, corners
        within 1 pixel (of 633 rotated boxes one differed: OpenCV 3.4 against 5.0). Computes areas without shapely.
    """

    def __init__(self, params: Mapping[str, float]) -> None:
        try:
            self.thresh = float(params["thresh"])
            self.box_thresh = float(params["box_thresh"])
            self.max_candidates = int(params["max_candidates"])
            self.unclip_ratio = float(params["unclip_ratio"])
        except KeyError as exc:
            raise BadConfig(f"DBPostProcess needs {exc.args[0]!r} in its parameters, got {sorted(params)}") from exc
        self.use_dilation = bool(params.get("use_dilation", False))

    def __call__(self, pred: Float32, ratio_list: Sequence[Sequence[float]]) -> list[NDArray[np.int16]]:
        """Find the boxes of a batch, in the pixels of pictures that were resized.

        Args:
            pred: (N, 1, H, W) probabilities.
            ratio_list: for each picture (height of the map / of the picture, the same of the widths).

        Returns:
            For each picture (K, 4, 2) int16; K may be 0.
        """
        if pred.ndim != 4 or pred.shape[1] != 1:
            raise BadInput(f"DBPostProcess needs maps (N, 1, H, W), got {describe(pred)}")
        found = []
        for probabilities, (ratio_h, ratio_w) in zip(pred[:, 0], ratio_list, strict=True):
            boxes, scores = self.find(probabilities, probabilities.shape[1], probabilities.shape[0])
            boxes = boxes[np.array(scores, np.float32) > self.box_thresh]
            found.append((boxes / np.array([ratio_w, ratio_h])).astype(np.int16))
        return found

    def find(self, probabilities: Float32, width: int, height: int) -> tuple[Quads, list[float]]:
        """Find the boxes of one picture, in its own pixels.

        Args:
            probabilities: (H, W).
            width, height: of the picture that the map covers; the map may be smaller or larger.

        Returns:
            (K, 4, 2) int32 and the mean probability of each; in the order in which OpenCV finds the blobs.

        Source: RapidAI/RapidOCR, ch_ppocr_det/utils.py `DBPostProcess`; equal.
        """
        binary = (probabilities > self.thresh).astype(np.uint8)
        if self.use_dilation:
            binary = cv2.dilate(binary, np.ones((2, 2), np.uint8)).astype(np.uint8, copy=False)
        contours, _ = cv2.findContours(binary * 255, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        scale = np.array([width / probabilities.shape[1], height / probabilities.shape[0]])
        boxes, scores = [], []
        for contour in contours[: self.max_candidates]:
            corners, short_side = tight_box(contour)
            if short_side < _MIN_SIDE:
                continue
            score = mean_inside(probabilities, corners)
            if score < self.box_thresh:
                continue
            corners, short_side = tight_box(_grown(corners, self.unclip_ratio))
            if short_side < _MIN_SIDE + 2:
                continue
            boxes.append(np.clip(np.round(corners * scale), 0, [width, height]).astype(np.int32))
            scores.append(score)
        return np.array(boxes, np.int32).reshape(-1, 4, 2), scores

    def __repr__(self) -> str:
        return (
            f"DBPostProcess thresh: {self.thresh}, box_thresh: {self.box_thresh}, "
            f"max_candidates: {self.max_candidates}, unclip_ratio: {self.unclip_ratio}, min_size: {_MIN_SIDE}"
        )


def tight_box(points: Array) -> tuple[Quad, float]:
    """The smallest rectangle around points, at any angle: corners from the top left clockwise, and its shorter side."""
    rectangle = cv2.minAreaRect(points)
    by_x = sorted(cv2.boxPoints(rectangle), key=lambda corner: float(corner[0]))
    left = sorted(by_x[:2], key=lambda corner: float(corner[1]))
    right = sorted(by_x[2:], key=lambda corner: float(corner[1]))
    return np.array([left[0], right[0], right[1], left[1]]), min(rectangle[1])


def mean_inside(probabilities: Float32, corners: Float32) -> float:
    """The mean of a map (H, W) inside a polygon (P, 2)."""
    height, width = probabilities.shape
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, [width - 1, height - 1])
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    inside = (corners - np.array([left, top], np.float32)).astype(np.int32)
    cv2.fillPoly(mask, [inside], (1,))
    return float(cv2.mean(probabilities[top : bottom + 1, left : right + 1], mask)[0])


def _grown(corners: Quad, ratio: float) -> Array:
    """Move the edges outwards by area x ratio / perimeter, with round corners."""
    after = np.roll(corners, -1, axis=0).astype(np.float64)
    area = abs(float(np.sum(corners[:, 0] * after[:, 1] - after[:, 0] * corners[:, 1]))) / 2
    perimeter = float(np.sum(np.hypot(*(after - corners).T)))
    offset = pyclipper.PyclipperOffset()
    offset.AddPath(corners, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    paths = offset.Execute(area * ratio / perimeter)
    return np.array([point for path in paths for point in path], np.int32).reshape(-1, 1, 2)


class FilterBoxes:
    """Order the corners of boxes, clip them to the picture, drop those that are too small.

    Args:
        width, height: a box whose width or height in whole pixels is at most this is dropped.

    Call with boxes (K, 4, 2) and the picture's (height, width); returns (K', 4, 2) float32, corners from the top left
    clockwise. The input is not modified.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `FilterBoxes`; equal.
    """

    def __init__(self, width: int, height: int) -> None:
        self.filter_width = width
        self.filter_height = height

    def __call__(self, dt_boxes: Array, image_shape: Sequence[int]) -> Float32:
        height, width = image_shape[0:2]
        kept = []
        for box in np.asarray(dt_boxes).reshape(-1, 4, 2):
            quad = np.trunc(np.clip(_clockwise(box), 0, [width - 1, height - 1])).astype(np.float32)
            wide, high = int(np.linalg.norm(quad[0] - quad[1])), int(np.linalg.norm(quad[0] - quad[3]))
            if wide > self.filter_width and high > self.filter_height:
                kept.append(quad)
        return np.array(kept, np.float32).reshape(-1, 4, 2)

    def __repr__(self) -> str:
        return f"FilterBoxes filter_width: {self.filter_width}, filter_height: {self.filter_height}"


def _clockwise(box: Array) -> Array:
    by_x = box[np.argsort(box[:, 0])]
    left, right = by_x[:2], by_x[2:]
    top_left, bottom_left = left[np.argsort(left[:, 1])]
    top_right, bottom_right = right[np.argsort(right[:, 1])]
    return np.array([top_left, top_right, bottom_right, bottom_left], np.float32)


class SortedBoxes:
    """Put boxes in reading order: from top to bottom, and from left to right where tops differ by less than 10 pixels.

    Args:
        like: 0.9 lets a box that stands too far right pass one neighbour; PaddleOCR's later rules let it go on until
            the row is in order.

    Call with (K, 4, 2); returns a list of (4, 2) views.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `SortedBoxes`; equal. RapidAI/RapidOCR,
        main.py `sorted_boxes`; equal.
    """

    def __init__(self, like: Like = "serving-0.9") -> None:
        self.like = _checked(like)

    def __call__(self, dt_boxes: Array) -> list[Array]:
        boxes = sorted(dt_boxes, key=lambda box: (box[0][1], box[0][0]))
        for k in range(len(boxes) - 1):
            for j in range(k, -1, -1) if self.like == "ppocr-v4" else (k,):
                first, second = boxes[j][0], boxes[j + 1][0]
                if not (abs(second[1] - first[1]) < 10 and second[0] < first[0]):
                    break
                boxes[j], boxes[j + 1] = boxes[j + 1], boxes[j]
        return boxes

    def __repr__(self) -> str:
        return f"SortedBoxes({self.like!r})"


class GetRotateCropImage:
    """Cut a quadrilateral out of a picture and straighten it; what stands upright is turned by 90 degrees.

    Args:
        like: 0.9 takes the size from the top and left edges and interpolates linearly; PaddleOCR's later rules take
            the longer of opposite edges and interpolate cubically.

    Call with (H, W, 3) uint8 and corners (4, 2); neither is modified (the original moved the corners in place).
    Returns a new (h, w, 3) uint8; where h would be 1.5 w or more it is turned counterclockwise.

    Raises:
        BadInput: the corners are not four, or lie so that nothing is inside.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `GetRotateCropImage`; equal within 3 of
        255 (OpenCV 3.4 and 5.0 interpolate with different rounding). RapidAI/RapidOCR, main.py
        `get_rotate_crop_image`; equal.
    """

    def __init__(self, like: Like = "serving-0.9") -> None:
        self.like = _checked(like)

    def __call__(self, img: ImageU8, points: Array) -> ImageU8:
        require_hwc(img, "GetRotateCropImage")
        corners = np.array(points, np.float32)
        if corners.shape != (4, 2):
            raise BadInput(f"GetRotateCropImage needs four corners (4, 2), got {describe(corners)}")
        width, height = self._size_of(corners)
        if width < 1 or height < 1 or not np.isfinite(corners).all():
            raise BadInput(f"nothing lies inside the corners {corners.tolist()}")
        if width * height > MAX_PIXELS:
            raise TooLarge(f"the box would be cut out as {width}x{height} pixels; at most {MAX_PIXELS:,} are made")
        how = cv2.INTER_CUBIC
        if self.like == "serving-0.9":
            # Warped out of its bounding box: what lies beyond is not the picture but the box's edge, repeated.
            how = cv2.INTER_LINEAR
            left, top = np.maximum(corners.min(axis=0), 0).astype(int)
            right, bottom = corners.max(axis=0).astype(int)
            img = img[top:bottom, left:right]
            corners -= np.array([left, top], np.float32)
            if img.size == 0:
                raise BadInput(f"nothing lies inside the corners {np.asarray(points).tolist()}")
        straight = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(corners, straight)
        line = cv2.warpPerspective(img, matrix, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
        upright = np.rot90(line) if height / width >= 1.5 else line
        return np.ascontiguousarray(upright, np.uint8)

    def _size_of(self, corners: Quad) -> tuple[int, int]:
        top, right, bottom, left = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
        if self.like == "ppocr-v4":
            return int(max(top, bottom)), int(max(left, right))
        return int(top), int(left)

    def __repr__(self) -> str:
        return f"GetRotateCropImage({self.like!r})"
