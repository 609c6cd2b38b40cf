"""Steps that make the input of a video classifier. Each takes a dict, changes it in place, and returns it:

    filename            path of a video
    format, backend     "video" and "cv2" after `VideoDecoder`; or "frame" for pictures in a folder, see `Sampler`
    frames, frames_len  the decoded frames, each (H, W, 3) uint8, RGB, and how many they are
    imgs                what a step made: a list of pictures, then an array

Source of all: PaddlePaddle/Serving, paddle_serving_app/reader/pptsn_reader.py.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import Image

from paddle_serving_app.ops.arrays import MAX_PIXELS, require_size
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import describe

Results: TypeAlias = dict[str, Any]


class Scale:
    """Scale the pictures under "imgs".

    Args:
        short_size: length of the shorter side, in pixels.
        fixed_ratio: True: the longer side becomes 4/3 of that, whatever it was.
        keep_ratio: only without `fixed_ratio`. True: keep the proportions, with the original's slip that the shorter
            side of the result is `short_size` shortened by these again, unless `do_round`; models were trained so.
            False: a square.
        do_round: round the sides, where proportions are kept, instead of cutting them off.
        backend: "pillow"; or "cv2", which gives arrays where `keep_ratio` is not None.

    Takes Pillow pictures or arrays (H, W, 3) uint8, RGB; with "pillow", Pillow pictures only.

    Source: equal with "cv2"; with "pillow" as equal as versions of Pillow are.
    """

    def __init__(
        self,
        short_size: int,
        fixed_ratio: bool = True,
        keep_ratio: bool | None = None,
        do_round: bool = False,
        backend: str = "pillow",
    ) -> None:
        if fixed_ratio and keep_ratio:
            raise BadConfig("Scale cannot have both fixed_ratio and keep_ratio")
        if backend not in ("pillow", "cv2"):
            raise BadConfig(f"Scale works with 'pillow' or 'cv2', not {backend!r}")
        if short_size < 1:
            raise BadConfig(f"Scale needs a short_size of at least 1, got {short_size}")
        self.short_size = short_size
        self.fixed_ratio = fixed_ratio
        self.keep_ratio = keep_ratio
        self.do_round = do_round
        self.backend = backend

    def __call__(self, results: Results) -> Results:
        results["imgs"] = [self._scaled(img) for img in _imgs_of(results, "Scale")]
        return results

    def __repr__(self) -> str:
        return f"Scale({self.short_size}, fixed_ratio={self.fixed_ratio}, keep_ratio={self.keep_ratio})"

    def _scaled(self, img: Any) -> Any:
        if isinstance(img, Image.Image):
            width, height = img.size
        elif isinstance(img, np.ndarray) and img.ndim == 3 and self.backend == "cv2":
            height, width = img.shape[:2]
        else:
            got = describe(img) if isinstance(img, np.ndarray) else type(img).__name__
            raise BadInput(f"Scale with {self.backend!r} does not take {got}")
        size = self._size_for(width, height)
        require_size(*size, "the scaled frame")
        if self.backend == "pillow":
            return img.resize(size, Image.Resampling.BILINEAR)
        array = cv2.resize(np.ascontiguousarray(np.asarray(img)), size, interpolation=cv2.INTER_LINEAR)
        return array if self.keep_ratio is not None else Image.fromarray(array)

    def _size_for(self, width: int, height: int) -> tuple[int, int]:
        short = self.short_size
        if self.fixed_ratio:
            long = int(short * 4.0 / 3.0)
            return (short, long) if width <= height else (long, short)
        if not self.keep_ratio:
            return short, short
        if self.do_round:
            factor = short / min(width, height)
            return int(width * factor + 0.5), int(height * factor + 0.5)
        return int(width * short / height), int(height * short / width)


class TenCrop:
    """Ten squares of each Pillow picture under "imgs": four corners, the middle, and each mirrored.

    Args:
        target_size: the side, in pixels.

    All pictures have the size of the first. The order is that of the squares, all pictures of one square together,
    then these mirrored. Source: equal.
    """

    def __init__(self, target_size: int) -> None:
        if target_size < 1:
            raise BadConfig(f"TenCrop needs a target_size of at least 1, got {target_size}")
        self.target_size = (target_size, target_size)

    def __call__(self, results: Results) -> Results:
        imgs = _imgs_of(results, "TenCrop")
        if not all(isinstance(img, Image.Image) for img in imgs):
            raise BadInput("TenCrop takes Pillow pictures, as Sampler gives them")
        size = self.target_size[0]
        width, height = imgs[0].size
        if min(width, height) < size:
            raise BadInput(f"a frame of {width}x{height} pixels has no square of {size}x{size}")
        x, y = (width - size) // 4, (height - size) // 4
        crops: list[Image.Image] = []
        for left, top in ((0, 0), (4 * x, 0), (0, 4 * y), (4 * x, 4 * y), (2 * x, 2 * y)):
            cut = [img.crop((left, top, left + size, top + size)) for img in imgs]
            crops += cut
            crops += [img.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for img in cut]
        results["imgs"] = crops
        return results

    def __repr__(self) -> str:
        return f"TenCrop({self.target_size[0]})"


class Image2Array:
    """The pictures under "imgs" as one float32 array: (T, C, H, W), or (C, T, H, W) with `data_format` "cthw".

    Args:
        transpose: False leaves (T, H, W, C).

    With `backend` "pyav" the array keeps its type. Source: equal.
    """

    def __init__(self, transpose: bool = True, data_format: str = "tchw") -> None:
        if data_format not in ("tchw", "cthw"):
            raise BadConfig(f"Image2Array gives 'tchw' or 'cthw', not {data_format!r}")
        self.transpose = transpose
        self.data_format = data_format

    def __call__(self, results: Results) -> Results:
        imgs = _imgs_of(results, "Image2Array")
        if len({np.shape(img) for img in imgs}) != 1 or np.ndim(imgs[0]) != 3:
            raise BadInput("Image2Array needs pictures (H, W, C) of one size")
        stacked = np.stack([np.asarray(img) for img in imgs])
        if stacked.size > 3 * MAX_PIXELS:
            raise TooLarge(f"Image2Array would make {describe(stacked)}; at most {MAX_PIXELS:,} pixels are made")
        array = stacked if results.get("backend") == "pyav" else stacked.astype(np.float32)
        if self.transpose:
            array = array.transpose((0, 3, 1, 2) if self.data_format == "tchw" else (3, 0, 1, 2))
        results["imgs"] = array
        return results

    def __repr__(self) -> str:
        return f"Image2Array(transpose={self.transpose}, data_format={self.data_format!r})"


class Normalization:
    """Subtract a mean and divide by a deviation.

    Args:
        mean, std: one value for each channel; no deviation is 0.
        tensor_shape: in which these are laid along the array; [3, 1, 1] for (T, C, H, W).
        inplace: False: the array under "imgs" is first divided by 255. True: it is a list of (H, W, C), is not
            divided, and becomes one array.

    Gives float32 numpy, always. Source: equal; within 1e-6 of the largest value with `inplace`, where it divided by
    multiplying. With `backend` "pyav" it gave a tensor of Paddle.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        tensor_shape: Sequence[int] = (3, 1, 1),
        inplace: bool = False,
    ) -> None:
        for what, values in (("mean", mean), ("std", std)):
            if not isinstance(values, Sequence):
                raise TypeError(f"{what} must be a list or tuple, got {type(values).__name__}")
        if len(mean) != len(std) or not all(std):
            raise BadConfig(f"Normalization needs as many deviations as means, and none 0; got {mean} and {std}")
        if not inplace and np.prod(tensor_shape) != len(mean):
            raise BadConfig(f"tensor_shape {tensor_shape} does not hold {len(mean)} values")
        self.inplace = inplace
        shape = (-1,) if inplace else tuple(tensor_shape)
        self.mean = np.array(mean, np.float32).reshape(shape)
        self.std = np.array(std, np.float32).reshape(shape)

    def __call__(self, results: Results) -> Results:
        imgs = _imgs_of(results, "Normalization")
        if self.inplace:
            if len({np.shape(img) for img in imgs}) != 1 or np.shape(imgs[0])[-1:] != self.mean.shape:
                raise BadInput(f"Normalization needs pictures (H, W, {len(self.mean)}) of one size")
            array = np.stack([np.asarray(img, np.float32) for img in imgs])
        else:
            if not isinstance(imgs, np.ndarray):
                raise BadInput("Normalization needs an array, as Image2Array gives it")
            array = np.divide(imgs, np.float32(255.0), dtype=np.float32)
        try:
            array -= self.mean
            array /= self.std
        except ValueError as exc:
            raise BadInput(f"Normalization by {list(self.mean.shape)} does not fit {describe(array)}") from exc
        results["imgs"] = array
        return results

    def __repr__(self) -> str:
        return f"Normalization(mean={self.mean.reshape(-1).tolist()}, std={self.std.reshape(-1).tolist()})"


def _imgs_of(results: Results, what: str) -> Any:
    imgs = results.get("imgs")
    if not isinstance(imgs, list | tuple | np.ndarray) or len(imgs) == 0:
        raise BadInput(f"{what} needs pictures under 'imgs'; Sampler puts them there")
    return imgs
