"""Steps that make the input of a detector: a picture, and beside it what the detector must know to give boxes back.

Each step takes and returns a pair. The second of the pair is a dict, changed in place, of

    im_shape       float32 (2,), height and width of the picture as the network gets it; None until a step knows it
    scale_factor   float32 (2,), how much height and width were scaled to come there
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import MAX_PIXELS, Float32, require_hwc
from paddle_serving_app.ops.decode import File2Image
from paddle_serving_app.ops.image import BGR2RGB, Div, Normalize, PadStride, Transpose
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array

ImInfo: TypeAlias = dict[str, Any]


class DetectionSequential:
    """Several of these steps as one; makes the dict that they hand on.

    Args:
        transforms: callables of (picture, im_info) that return both.

    Call with whatever the first step takes, a path or an array; returns (array, im_info).

    Raises:
        BadConfig: a step did not return two things.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py; equal.
    """

    def __init__(self, transforms: Sequence[Callable[[Any, ImInfo], tuple[Any, Any]]]) -> None:
        self.transforms = transforms

    def __call__(self, im: Any) -> tuple[Any, ImInfo]:
        im_info: ImInfo = {"scale_factor": np.ones(2, np.float32), "im_shape": None}
        for transform in self.transforms:
            pair = transform(im, im_info)
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise BadConfig(f"{transform!r} must return (picture, im_info): use the steps named Detection...")
            im, im_info = pair
        return im, im_info

    def __repr__(self) -> str:
        return "DetectionSequential(\n" + "".join(f"    {t}\n" for t in self.transforms) + ")"


class DetectionFile2Image:
    """A path to RGB (H, W, 3) uint8, with `im_shape` and a scale of 1. As `File2Image`: never for a caller's path.

    Source: as `DetectionSequential`; equal.
    """

    def __init__(self) -> None:
        self._read = File2Image()

    def __call__(self, img_path: str | os.PathLike[Any], im_info: ImInfo | None = None) -> tuple[Array, ImInfo | None]:
        image = np.ascontiguousarray(self._read(img_path)[:, :, ::-1])
        if im_info is not None:
            im_info["im_shape"] = np.array(image.shape[:2], np.float32)
            im_info["scale_factor"] = np.ones(2, np.float32)
        return image, im_info

    def __repr__(self) -> str:
        return "DetectionFile2Image()"


class DetectionBGR2RGB(BGR2RGB):
    """`BGR2RGB` on the pair. Source: as `DetectionSequential`; equal."""

    def __call__(self, img: Array, img_info: ImInfo | None = None) -> tuple[Array, ImInfo | None]:  # type: ignore[override]
        return super().__call__(img), img_info


class DetectionDiv(Div):
    """`Div` on the pair. Source: as `DetectionSequential`; equal."""

    def __call__(self, img: Array, img_info: ImInfo | None = None) -> tuple[Float32, ImInfo | None]:  # type: ignore[override]
        return super().__call__(img), img_info

    def __repr__(self) -> str:
        return f"DetectionDiv({self.value})"


class DetectionTranspose(Transpose):
    """`Transpose` on the pair. Source: as `DetectionSequential`; equal."""

    def __call__(self, im: Array, im_info: ImInfo | None = None) -> tuple[Array, ImInfo | None]:  # type: ignore[override]
        return super().__call__(im), im_info

    def __repr__(self) -> str:
        return f"DetectionTranspose({self.transpose_target})"


class DetectionPadStride(PadStride):
    """`PadStride` on the pair; a stride of 0 or less leaves the picture as it is.

    Source: as `DetectionSequential`; equal, but that it then returned the picture alone, which broke the chain.
    """

    def __init__(self, stride: int = 0) -> None:
        super().__init__(max(stride, 0))

    def __call__(self, im: Array, im_info: ImInfo | None = None) -> tuple[Array, ImInfo | None]:  # type: ignore[override]
        return super().__call__(im), im_info

    def __repr__(self) -> str:
        return f"DetectionPadStride({self.coarsest_stride})"


class DetectionNormalize:
    """Subtract a mean and divide by a deviation, channel by channel, on the pair.

    Args:
        mean: one value per channel.
        std: likewise; none may be 0.
        is_scale: whether the picture is first divided by 255.

    Call with (H, W, C) of any type, not modified, and im_info; returns float32 and im_info.

    Source: as `DetectionSequential`, which computed in float64 and stored float32; this computes in float32. Equal
        within 1e-6 of the largest value.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], is_scale: bool = True) -> None:
        self.mean = mean
        self.std = std
        self.is_scale = is_scale
        self._to_unit = Div(255.0)
        self._normalize = Normalize(mean, std)

    def __call__(self, im: Array, im_info: ImInfo | None = None) -> tuple[Float32, ImInfo | None]:
        return self._normalize(self._to_unit(im) if self.is_scale else im), im_info

    def __repr__(self) -> str:
        return f"DetectionNormalize(mean={self.mean}, std={self.std}, is_scale={self.is_scale})"


class DetectionResize:
    """Scale a picture into a target, on the pair; sets `im_shape` and `scale_factor`.

    Args:
        target_size: (height, width), or one number for both.
        keep_ratio: True: the shorter side comes to the smaller target, or the longer to the larger one where it would
            become longer than that. False: exactly the target.
        interpolation: a constant of OpenCV.

    Call with (H, W, C) uint8 or float32, not modified; returns a new array of that type.

    Raises:
        BadInput: not a picture, or a side would become 0.
        TooLarge: the result would have more than `arrays.MAX_PIXELS`.

    Source: as `DetectionSequential`; equal.
    """

    def __init__(
        self, target_size: int | Sequence[int], keep_ratio: bool = True, interpolation: int = cv2.INTER_LINEAR
    ) -> None:
        self.target_size = [target_size, target_size] if isinstance(target_size, int) else list(target_size)
        if len(self.target_size) != 2 or min(self.target_size) < 1:
            raise BadConfig(f"DetectionResize needs a length or (height, width), at least 1 each; got {target_size}")
        self.keep_ratio = keep_ratio
        self.interpolation = interpolation

    def __call__(self, im: Array, im_info: ImInfo | None = None) -> tuple[Array, ImInfo | None]:
        require_hwc(im, "DetectionResize")
        scale_y, scale_x = self.generate_scale(im)
        resized = scaled(im, scale_y, scale_x, self.interpolation)
        if im_info is not None:
            im_info["im_shape"] = np.array(resized.shape[:2], np.float32)
            im_info["scale_factor"] = np.array([scale_y, scale_x], np.float32)
        return resized, im_info

    def generate_scale(self, im: Array) -> tuple[float, float]:
        """The factors (of the height, of the width) for a picture (H, W, C)."""
        height, width = im.shape[:2]
        if not self.keep_ratio:
            return self.target_size[0] / height, self.target_size[1] / width
        scale = min(self.target_size) / min(height, width)
        if round(scale * max(height, width)) > max(self.target_size):
            scale = max(self.target_size) / max(height, width)
        return scale, scale

    def __repr__(self) -> str:
        return (
            f"DetectionResize(target_size={self.target_size}, keep_ratio={self.keep_ratio}, "
            f"interpolation={self.interpolation})"
        )


def scaled(image: Array, scale_y: float, scale_x: float, interpolation: int = cv2.INTER_LINEAR) -> Array:
    """Scale by factors, with a limit on what comes out.

    OpenCV samples by the factor here, and by the rounded sizes where it is given these: not the same pixels.

    Args:
        image: (H, W, C), uint8 or float32. Not modified.
        scale_y, scale_x: of height and width.

    Returns:
        A new array of that type; a single channel keeps its axis.

    Raises:
        BadInput: a side would become 0.
        TooLarge: the result would have more than `arrays.MAX_PIXELS`.
    """
    height, width = image.shape[:2]
    to_height, to_width = round(height * scale_y), round(width * scale_x)
    if min(to_height, to_width) < 1:
        raise BadInput(f"a picture of {width}x{height} pixels would be resized to {to_width}x{to_height}")
    if to_height * to_width > MAX_PIXELS:
        raise TooLarge(
            f"a picture of {width}x{height} pixels would have to be resized to {to_width}x{to_height}; "
            f"at most {MAX_PIXELS:,} pixels are made"
        )
    result: Array = cv2.resize(np.ascontiguousarray(image), None, None, scale_x, scale_y, interpolation)
    return result if result.ndim == image.ndim else result[:, :, None]
