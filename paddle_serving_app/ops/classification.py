"""The input of a classifier of ImageNet, from the bytes of a picture file."""

from collections.abc import Sequence

import numpy as np

from paddle_serving_app.ops.arrays import Float32
from paddle_serving_app.ops.decode import String2Image
from paddle_serving_app.ops.image import BGR2RGB, CenterCrop, Div, Normalize, Sequential, Transpose
from paddle_serving_app.ops.resize import Resize
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array


class ImageReader:
    """The steps of an ImageNet classifier as one.

    Args:
        image_shape: (C, H, W) of the input; H is the side of the square cut out, and with 0 there is no resizing and
            no cutting out.
        image_mean, image_std: of each channel, red first, for values from 0 to 1.
        resize_short_size: length of the shorter side before the square is cut out.
        interpolation: see `Resize`.
        crop_center: False cuts the square out anywhere, by numpy's global random numbers, as in training.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py. It computed partly in float64; equal
        within 1e-6 of the largest value. A file that is no picture gave None; it raises now.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (3, 224, 224),
        image_mean: Sequence[float] = (0.485, 0.456, 0.406),
        image_std: Sequence[float] = (0.229, 0.224, 0.225),
        resize_short_size: int = 256,
        interpolation: int | None = None,
        crop_center: bool = True,
    ) -> None:
        if len(image_shape) != 3:
            raise BadConfig(f"image_shape is (C, H, W), got {image_shape}")
        self.image_shape = image_shape
        self.image_mean = image_mean
        self.image_std = image_std
        self.resize_short_size = resize_short_size
        self.interpolation = interpolation
        self.crop_center = crop_center
        self._read = String2Image()
        self._after = Sequential([BGR2RGB(), Div(255.0), Normalize(image_mean, image_std), Transpose((2, 0, 1))])

    def process_image(self, sample: bytes) -> Float32:
        """The bytes of a picture file to (3, H, W) float32, RGB, normalised; a view.

        Raises:
            BadInput: not a picture, or smaller than the square.
        """
        image: Array = self._read(sample)
        size = self.image_shape[1]
        if size > 0:
            image = self.resize_short(image, self.resize_short_size, self.interpolation)
            image = self.crop_image(image, size, self.crop_center)
        return np.asarray(self._after(image), np.float32)

    def resize_short(self, img: Array, target_size: int, interpolation: int | None = None) -> Array:
        """`Resize` of the shorter side."""
        return Resize(target_size, interpolation=interpolation)(img)

    def crop_image(self, img: Array, target_size: int, center: bool) -> Array:
        """A square out of the middle, or from anywhere."""
        if center:
            return CenterCrop(target_size)(img)
        height, width = img.shape[:2]
        if min(height, width) < target_size:
            raise BadInput(f"a picture of {width}x{height} pixels has no part of {target_size}x{target_size}")
        left = np.random.randint(0, width - target_size + 1)
        top = np.random.randint(0, height - target_size + 1)
        return img[top : top + target_size, left : left + target_size]

    def __repr__(self) -> str:
        return f"ImageReader(image_shape={list(self.image_shape)}, resize_short_size={self.resize_short_size})"
