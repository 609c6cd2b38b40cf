"""Colour, arithmetic and layout of pictures, one step each, and `Sequential` to join them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from paddle_serving_app.ops.arrays import Float32, new_input, require_hwc
from paddle_serving_app.ops.fused import LookedUp, takes
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array, describe


class Sequential:
    """Several steps as one: each gets what the one before it returned.

    `BGR2RGB`, `RGB2BGR`, `Div` and `Normalize` in any order, followed by `Transpose((2, 0, 1))`, run as one step with
    equal results; see `fused.LookedUp`.

    Args:
        transforms: callables of one argument.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `Sequential`; equal.
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms
        self._joined_from: tuple[object, ...] = ()
        self._joined: list[Callable[[Any], Any]] = []

    def __call__(self, img: Any) -> Any:
        for step in self._steps():
            img = step(img)
        return img

    def batch(self, items: Iterable[Any]) -> Array:
        """The results of several items as one array, on a new axis 0: as `numpy.stack`, without its copy.

        Args:
            items: one or more, each as for a call.

        Raises:
            BadInput: there are none, or their results differ in shape.
        """
        steps = self._steps()
        last = steps[-1] if steps and isinstance(steps[-1], LookedUp) else None
        results = []
        for item in items:
            for step in steps[:-1] if last is not None else steps:
                item = step(item)
            results.append(item)
        if last is not None and results and all(map(takes, results)) and len({r.shape for r in results}) == 1:
            whole: Array = new_input((len(results), 3, *results[0].shape[:2]), np.float32)
            for into, picture in zip(whole, results, strict=True):
                last.into(into, picture)
            return whole
        arrays = [np.asarray(result if last is None else last(result)) for result in results]
        if len({array.shape for array in arrays}) != 1:
            shapes = " and ".join(sorted({str(list(array.shape)) for array in arrays})[:4]) or "nothing"
            raise BadInput(f"a batch needs results of one shape, got {shapes}")
        return np.stack(arrays)

    def _steps(self) -> list[Callable[[Any], Any]]:
        steps = tuple(self.transforms)
        if steps != self._joined_from:  # scripts may add to the list at any time
            self._joined, self._joined_from = _joined(steps), steps
        return self._joined

    def __repr__(self) -> str:
        return "Sequential(\n" + "".join(f"    {t}\n" for t in self.transforms) + ")"


class Lambda:
    """A function as a step. Source: as `Sequential`; equal."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise BadConfig(f"Lambda needs a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class BGR2RGB:
    """Reverse the channels of (H, W, C): blue-green-red to red-green-blue.

    Returns a view of the input with a negative stride. Source: as `Sequential`; equal.
    """

    def __call__(self, img: Array) -> Array:
        require_hwc(img, type(self).__name__)
        return img[:, :, ::-1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RGB2BGR(BGR2RGB):
    """Reverse the channels of (H, W, C): red-green-blue to blue-green-red; the same step as `BGR2RGB`."""


class Div:
    """Divide by a number: any shape and type to new float32 of that shape. Source: as `Sequential`; equal."""

    def __init__(self, value: float) -> None:
        if not value:
            raise BadConfig("Div cannot divide by 0")
        self.value = value

    def __call__(self, img: Array) -> Float32:
        return np.divide(img, np.float32(self.value), dtype=np.float32)

    def __repr__(self) -> str:
        return f"Div({self.value})"


class Normalize:
    """Subtract a mean and divide by a deviation, channel by channel.

    Args:
        mean: one value per channel, in the channel order and the unit of the picture.
        std: likewise; none may be 0.
        channel_first: False for (H, W, 3), True for (3, H, W).

    Call with an array of any type, not modified; returns float32 of the same shape, freshly allocated.

    Raises:
        BadInput: there are not as many channels as means.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/functional.py `normalize`, which computed in float64 and
        stored float32; this computes in float32, twice as fast. Equal within 1e-6 of the largest value.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], channel_first: bool = False) -> None:
        if len(mean) != len(std) or not all(std):
            raise BadConfig(f"Normalize needs as many deviations as means, and none 0; got {mean} and {std}")
        self.mean = mean
        self.std = std
        self.channel_first = channel_first
        along = (len(mean), 1, 1) if channel_first else (1, 1, len(mean))
        self._mean = np.array(mean, np.float32).reshape(along)
        self._std = np.array(std, np.float32).reshape(along)

    def __call__(self, img: Array) -> Float32:
        if img.ndim != 3 or img.shape[0 if self.channel_first else 2] != len(self.mean):
            layout = "(C, H, W)" if self.channel_first else "(H, W, C)"
            raise BadInput(f"Normalize needs {layout} with {len(self.mean)} channels, got {describe(img)}")
        centred = np.subtract(img, self._mean, dtype=np.float32)
        return np.divide(centred, self._std, out=centred)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class CenterCrop:
    """Cut a square out of the middle of (H, W, C).

    Args:
        size: its side, in pixels.

    Returns a view of the input. Where the rest is odd, the smaller half is left and above.

    Raises:
        BadInput: the picture is smaller than the square (the original then returned an arbitrary strip).

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/functional.py `crop`; equal.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, img: Array) -> Array:
        require_hwc(img, "CenterCrop")
        height, width = img.shape[:2]
        if min(height, width) < self.size:
            raise BadInput(f"a picture of {width}x{height} pixels has no centre of {self.size}x{self.size}")
        left, top = (width - self.size) // 2, (height - self.size) // 2
        return img[top : top + self.size, left : left + self.size]

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class Transpose:
    """Reorder the axes: (2, 0, 1) makes (H, W, C) to (C, H, W). Returns a view. Source: as `Sequential`; equal."""

    def __init__(self, transpose_target: Sequence[int]) -> None:
        if sorted(transpose_target) != list(range(len(transpose_target))):
            raise BadConfig(f"Transpose needs each axis once, as in (2, 0, 1); got {transpose_target}")
        self.transpose_target = transpose_target

    def __call__(self, img: Array) -> Array:
        if img.ndim != len(self.transpose_target):
            raise BadInput(f"Transpose{tuple(self.transpose_target)} cannot reorder {describe(img)}")
        return img.transpose(self.transpose_target)

    def __repr__(self) -> str:
        return f"Transpose({self.transpose_target})"


class PadStride:
    """Add zeros below and to the right of (C, H, W), up to the next multiples of a number of pixels.

    Args:
        stride: 0 leaves the picture as it is, type included.

    Returns float32, freshly allocated.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `PadStride`; equal.
    """

    def __init__(self, stride: int) -> None:
        if stride < 0:
            raise BadConfig(f"PadStride needs a stride of at least 0, got {stride}")
        self.coarsest_stride = stride

    def __call__(self, img: Array) -> Array:
        if self.coarsest_stride == 0:
            return img
        if img.ndim != 3:
            raise BadInput(f"PadStride needs a picture (C, H, W), got {describe(img)}")
        channels, height, width = img.shape
        stride = self.coarsest_stride
        padded = np.zeros((channels, -(-height // stride) * stride, -(-width // stride) * stride), np.float32)
        padded[:, :height, :width] = img
        return padded

    def __repr__(self) -> str:
        return f"PadStride({self.coarsest_stride})"


def _joined(steps: Sequence[Callable[[Any], Any]]) -> list[Callable[[Any], Any]]:
    """The same steps, those that can be looked up together as one."""
    joined: list[Callable[[Any], Any]] = []
    pointwise: list[Callable[[Any], Any]] = []
    for step in steps:
        if _is_pointwise(step):
            pointwise.append(step)
            continue
        is_channels_first = type(step) is Transpose and tuple(step.transpose_target) == (2, 0, 1)
        if is_channels_first and any(isinstance(p, Div | Normalize) for p in pointwise):
            swaps = sum(isinstance(p, BGR2RGB) for p in pointwise) % 2 == 1
            joined.append(LookedUp(pointwise, swaps, step))
        else:
            joined += [*pointwise, step]
        pointwise = []
    return joined + pointwise


def _is_pointwise(step: object) -> bool:
    if type(step) is Normalize:
        return not step.channel_first and len(step.mean) == 3
    return type(step) in (BGR2RGB, RGB2BGR, Div)
