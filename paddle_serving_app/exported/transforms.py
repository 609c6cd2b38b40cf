"""The steps of a description as those of a `Sequential`; one that is not known here is refused by its name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import cv2
from PIL import Image

from paddle_serving_app.exported.description import Description
from paddle_serving_app.exported.settings import Settings
from paddle_serving_app.mar.values import shown
from paddle_serving_app.ops.fit import FitResize, PadTo, PillowResize
from paddle_serving_app.ops.image import BGR2RGB, CenterCrop, Div, Normalize, PadStride, Transpose
from paddle_serving_app.ops.keypoints import WholeInto
from paddle_serving_app.ops.resize import Resize
from paddle_serving_client.errors import BadConfig

Ops: TypeAlias = list[Callable[[Any], Any]]
Table: TypeAlias = Mapping[str, Callable[[Settings], Ops]]
"""What makes a step, by the step's name."""

_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""Of ImageNet, red first: what is meant where a file names none."""
_INTERPOLATIONS: Final = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4)
_NAMED: Final = {
    "NEAREST": cv2.INTER_NEAREST,
    "LINEAR": cv2.INTER_LINEAR,
    "BILINEAR": cv2.INTER_LINEAR,
    "BICUBIC": cv2.INTER_CUBIC,
    "CUBIC": cv2.INTER_CUBIC,
    "AREA": cv2.INTER_AREA,
    "LANCZOS4": cv2.INTER_LANCZOS4,
}
_PILLOW: Final = {
    "NEAREST": Image.Resampling.NEAREST,
    "LINEAR": Image.Resampling.BILINEAR,
    "BILINEAR": Image.Resampling.BILINEAR,
    "BICUBIC": Image.Resampling.BICUBIC,
    "BOX": Image.Resampling.BOX,
    "LANCZOS": Image.Resampling.LANCZOS,
}


def ops_of(description: Description, table: Table, without: Sequence[str] = ()) -> Ops:
    """All steps of a description, in their order.

    Args:
        description: whose steps.
        table: those that are known.
        without: names of steps that are left out: they are of training, or somebody else's.

    Raises:
        BadConfig: a step is not in the table, or a setting of one is not known, or cannot be.
    """
    ops: Ops = []
    for step in description.steps:
        if step.name in without:
            continue
        if step.name not in table:
            known = ", ".join([*table, *without])
            raise BadConfig(f"{step.where}: there is no step {step.name!r} here; of this kind there are {known}")
        settings = Settings.of(step)
        ops += table[step.name](settings)
        settings.end()
    return ops


def picture_ops(description: Description, table: Table, without: Sequence[str] = ()) -> Ops:
    """The steps of PreProcess.transform_ops, from a BGR picture: in which order channels are wanted is one of them."""
    ops: Ops = ops_of(description, {"DecodeImage": _decode, **table}, without)
    return ops if description.has_step("DecodeImage") else [BGR2RGB(), *ops]


def _decode(settings: Settings) -> Ops:
    """The order of the channels; the picture is decoded by then."""
    mode = settings.raw("img_mode", "RGB" if settings.truth("to_rgb", True) else "BGR")
    if mode not in ("BGR", "RGB"):
        raise BadConfig(f"{settings.where}: img_mode is BGR or RGB here, got {shown(mode)}")
    if settings.truth("channel_first"):
        raise BadConfig(f"{settings.where}: channel_first is not known for a picture that is decoded")
    settings.ignore("to_np")
    return [BGR2RGB()] if mode == "RGB" else []


# -- classifiers and text


def normalize_by_scale(settings: Settings) -> Ops:
    """`NormalizeImage` of classifiers and text: a scale, a mean, a deviation."""
    scale = settings.number("scale", 1 / 255)
    mean, std = settings.numbers("mean", 3, _MEAN), settings.numbers("std", 3, _STD)
    settings.word("order", "", ("", "hwc"))
    if settings.whole("channel_num", 3) != 3:
        raise BadConfig(f"{settings.where}: channel_num must be 3")
    settings.ignore("output_fp16")
    return [*_scaled(scale), _normalize(mean, std, settings.where)]


def channels_first(settings: Settings) -> Ops:
    """`ToCHWImage` and `Permute`."""
    if settings.truth("to_bgr"):
        raise BadConfig(f"{settings.where}: to_bgr is of PaddleDetection before 2.0")
    return [Transpose((2, 0, 1))]


def _resize_image(settings: Settings) -> Ops:
    backend = settings.word("backend", "cv2", ("cv2", "pil"))
    how = str(settings.raw("interpolation", "LINEAR")).upper()
    known: Mapping[str, int] = _NAMED if backend == "cv2" else _PILLOW
    if how not in known:
        raise BadConfig(f"{settings.where}: interpolation is one of {', '.join(known)}, got {how[:32]!r}")
    short = settings.whole("resize_short", 0, most=65535)
    size = settings.sizes("size") if not short else None
    if backend == "pil":
        return [PillowResize(short or size or 0, known[how])]
    return [Resize(short, interpolation=known[how]) if size is None else FitResize(size, interpolation=known[how])]


def _crop(settings: Settings) -> Ops:
    width, height = settings.sizes("size", 224)
    if width != height:
        raise BadConfig(f"{settings.where}: a square is cut out here, got {width}x{height}")
    return [CenterCrop(width)]


CLASSIFIER: Final[Table] = {
    "ResizeImage": _resize_image,
    "CropImage": _crop,
    "NormalizeImage": normalize_by_scale,
    "ToCHWImage": channels_first,
}


# -- detectors


def _detector_resize(settings: Settings) -> Ops:
    height, width = settings.sizes("target_size")
    interp = settings.whole("interp", 2, most=len(_INTERPOLATIONS) - 1)
    return [FitResize((width, height), settings.truth("keep_ratio"), interpolation=_INTERPOLATIONS[interp])]


def _normalize_image(settings: Settings) -> Ops:
    kind = settings.raw("norm_type", "mean_std")
    scale = [Div(255.0)] if settings.truth("is_scale", True) else []
    mean, std = settings.numbers("mean", 3, _MEAN), settings.numbers("std", 3, _STD)
    return [*scale, _normalize(mean, std, settings.where)] if kind in ("mean_std", "none") else [*scale]


def _normalize_by_type(settings: Settings) -> Ops:
    """That of PaddleDetection itself, for which "none" means none, whatever mean stands beside it."""
    kind = settings.raw("norm_type", "mean_std")
    scale = [Div(255.0)] if settings.truth("is_scale", True) else []
    mean, std = settings.numbers("mean", 3, _MEAN), settings.numbers("std", 3, _STD)
    return [*scale, _normalize(mean, std, settings.where)] if kind == "mean_std" else [*scale]


def _pad(settings: Settings) -> Ops:
    size = settings.raw("size", [640, 640])
    sides = size[-2:] if isinstance(size, list) and len(size) == 3 else size
    if not isinstance(sides, list) or not all(type(side) is int and 0 < side < 65536 for side in sides):
        raise BadConfig(f"{settings.where}: size must be [height, width], got {shown(size)}")
    return [PadTo(sides[::-1], settings.numbers("fill_value", 3, 127.5))]


def _pad_stride(settings: Settings) -> Ops:
    return [PadStride(settings.whole("stride", 32, most=65535))]


def _top_down(settings: Settings) -> Ops:
    return [WholeInto(settings.sizes("trainsize"), settings.truth("use_udp"))]


DETECTOR: Final[Table] = {
    "Resize": _detector_resize,
    "NormalizeImage": _normalize_image,
    "Permute": channels_first,
    "Pad": _pad,
    "PadStride": _pad_stride,
}
KEYPOINTS: Final[Table] = {"TopDownEvalAffine": _top_down, **DETECTOR}


def detector_table(description: Description, table: Table) -> Table:
    """A table as the writer of the file means it: PaddleX, or PaddleDetection in infer_cfg.yml."""
    return table if description.path.name.startswith("inference") else {**table, "NormalizeImage": _normalize_by_type}


# -- segmentation


def segmentation_table(description: Description) -> Table:
    """The steps of Deploy.transforms, with the defaults of who wrote the file: PaddleX, or PaddleSeg in deploy.yaml."""
    is_paddlex = description.path.name.startswith("inference")

    def resize(settings: Settings) -> Ops:
        size = settings.raw("target_size", -1)
        how = str(settings.raw("interp", "LINEAR")).upper()
        keep = settings.truth("keep_ratio", is_paddlex)
        multiple = settings.whole("size_divisor", 32 if is_paddlex else 1, least=1, most=4096)
        if how not in _NAMED:
            raise BadConfig(f"{settings.where}: interp is one of {', '.join(_NAMED)}, got {how[:32]!r}")
        if size in (-1, [-1, -1]):
            return []
        width, height = Settings({"target_size": size}, settings.where).sizes("target_size")
        return [FitResize((width, height), keep, multiple, _NAMED[how])]

    def normalize(settings: Settings) -> Ops:
        mean, std = settings.numbers("mean", 3, 0.5), settings.numbers("std", 3, 0.5)
        return [Div(255.0), _normalize(mean, std, settings.where)]

    return {"Resize": resize, "Normalize": normalize}


def _scaled(scale: float) -> Ops:
    if scale == 1:
        return []
    if scale <= 0:
        raise BadConfig(f"the scale of a picture is above 0, got {scale}")
    whole = round(1 / scale)
    return [Div(float(whole) if abs(1 / scale - whole) < 1e-9 else 1 / scale)]


def _normalize(mean: Sequence[float], std: Sequence[float], where: str) -> Normalize:
    if not all(std):
        raise BadConfig(f"{where}: no deviation may be 0, got {shown(std)}")
    return Normalize(mean, std)
