"""Text in a probability map as polygons, for text that is curved: seals, logos."""

from collections.abc import Sequence

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from paddle_serving_app.ops.arrays import Float32
from paddle_serving_app.ops.text_boxes import mean_inside, tight_box

_LEAST_SIDE = 5
_ROUGHNESS = 0.002
"""How far an outline may be from its blob, as a part of the blob's circumference."""


def find_polygons(
    probabilities: Float32,
    width: int,
    height: int,
    thresh: float = 0.3,
    box_thresh: float = 0.6,
    unclip_ratio: float = 1.5,
    max_candidates: int = 1000,
) -> tuple[list[NDArray[np.int32]], list[float]]:
    """Find the outlines of text in one picture.

    Args:
        probabilities: (H, W).
        width, height: of the picture that the map covers.
        thresh, box_thresh, unclip_ratio, max_candidates: see `text_boxes.DBPostProcess`.

    Returns:
        Polygons (P, 2) int32, in pixels of the picture, and the mean probability of each.

    Source: PaddlePaddle/PaddleX 3.7 `DBPostProcess` with `box_type: poly`; equal.
    """
    contours, _ = cv2.findContours((probabilities > thresh).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    scale = np.array([width / probabilities.shape[1], height / probabilities.shape[0]])
    found, scores = [], []
    for contour in contours[:max_candidates]:
        roughness = _ROUGHNESS * cv2.arcLength(contour, True)
        outline = cv2.approxPolyDP(contour, roughness, True).reshape(-1, 2).astype(np.int32)
        if len(outline) < 4:
            continue
        score = mean_inside(probabilities, outline.astype(np.float32))
        if score < box_thresh:
            continue
        paths = _grown(outline, unclip_ratio)
        if len(paths) != 1 or tight_box(np.array(paths[0], np.int32).reshape(-1, 1, 2))[1] < _LEAST_SIDE:
            continue
        found.append(np.clip(np.round(np.array(paths[0]) * scale), 0, [width, height]).astype(np.int32))
        scores.append(score)
    return found, scores


def _grown(outline: NDArray[np.int32], ratio: float) -> Sequence[Sequence[Sequence[int]]]:
    offset = pyclipper.PyclipperOffset()
    offset.AddPath(outline, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    paths: Sequence[Sequence[Sequence[int]]] = offset.Execute(
        cv2.contourArea(outline) * ratio / cv2.arcLength(outline, True)
    )
    return paths
