"""Tiny exports as PaddleX writes them: real graphs in ONNX, each with its `inference.yml`, and pictures to ask them.

    from tests import exported_models
    folder = exported_models.make("classifier", tmp_path)

`tests/app/exported/record_paddlex.py` asks PaddleX's own predictors the same.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
LABELS = ["cat", "dog", "image", "formula", "table"]
Graph = Callable[["Parts"], tuple[list[Any], list[Any]]]


class Parts:
    """What a graph is made of."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        """A constant, by the name it gets."""
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, to: str = "", kind: str = "", **attributes: Any) -> str:
        """A node with one output, by its name; `kind` is the element type of a Cast."""
        name = to or f"n{len(self.nodes)}"
        if kind:
            attributes["to"] = getattr(self.onnx.TensorProto, kind)
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def value(self, name: str, shape: Sequence[Any], kind: str = "FLOAT") -> Any:
        """An input or output."""
        return self.onnx.helper.make_tensor_value_info(name, getattr(self.onnx.TensorProto, kind), list(shape))


def make(name: str, folder: Path) -> Path:
    """Write one of `EXPORTS`; returns its folder."""
    import onnx

    graph, said = EXPORTS[name]
    parts = Parts(onnx)
    inputs, outputs = graph(parts)
    made = onnx.helper.make_graph(parts.nodes, "g", inputs, outputs, parts.constants)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    (folder / name).mkdir(parents=True)
    onnx.save(model, str(folder / name / "inference.onnx"))
    text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True)
    (folder / name / "inference.yml").write_text(text, encoding="utf-8")
    return folder / name


def picture(width: int = 320, height: int = 200) -> Any:
    """Dark bars and discs on a coloured ground, BGR; the same on every machine."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    ground = np.stack([200 - 60 * across, 170 + 60 * down, 150 + 80 * across * down], axis=2)
    image = np.ascontiguousarray(ground.astype(np.uint8))
    for k in range(3):
        top = height // 8 + k * height // 4
        cv2.rectangle(image, (width // 8, top), (width // 8 + width // (k + 2), top + height // 10), (20, 30, 40), -1)
    cv2.circle(image, (3 * width // 4, height // 2), height // 6, (40, 90, 220), -1)
    return image


def _scores(parts: Parts, last: str, **attributes: Any) -> tuple[list[Any], list[Any]]:
    """The means of the channels, weighed."""
    weights = parts.constant(np.array([[1, -1, 0.5, 2, -2], [0, 1, -1, 0.5, 1], [1, 0, 2, -1, 0.3]], np.float32))
    means = parts.node("ReduceMean", "x", axes=[2, 3], keepdims=0)
    parts.node(last, parts.node("MatMul", means, weights), to="y", **attributes)
    return [parts.value("x", ["n", 3, 224, 224])], [parts.value("y", ["n", 5])]


def _classifier(parts: Parts) -> tuple[list[Any], list[Any]]:
    return _scores(parts, "Softmax", axis=1)


def _multilabel(parts: Parts) -> tuple[list[Any], list[Any]]:
    return _scores(parts, "Sigmoid")


CORNERS = [[10, 20, 200, 120], [12, 22, 190, 118], [30, 40, 90, 80], [0, 0, 318, 318], [300, 300, 340, 400]]


def _rows(parts: Parts, corners: Sequence[Sequence[float]], classes: Sequence[float]) -> str:
    """(K, 2 + ...): boxes of the input, brought back by the scale, with scores that depend on the picture."""
    swapped = parts.node("Gather", "scale_factor", parts.constant(np.array([1, 0] * (len(corners[0]) // 2))), axis=1)
    boxes = parts.node("Div", parts.constant(np.array(corners, np.float32)), swapped)
    mean = parts.node("ReduceMean", "image", axes=[0, 1, 2, 3], keepdims=0)
    usual = parts.constant(np.linspace(0.95, 0.45, len(corners), dtype=np.float32)[:, None])
    sure = parts.node("Sub", usual, parts.node("Mul", parts.node("Sigmoid", mean), parts.constant(np.float32(0.05))))
    kinds = parts.constant(np.array(classes, np.float32)[:, None])
    return parts.node("Concat", kinds, sure, boxes, axis=1, to="boxes")


def _detector_ends(parts: Parts, columns: int) -> tuple[list[Any], list[Any]]:
    size = parts.node("Slice", parts.node("Shape", "boxes"), *(parts.constant(np.array([k])) for k in (0, 1)))
    parts.node("Cast", size, to="count", kind="INT32")
    inputs = [parts.value("image", ["n", 3, 320, 320]), parts.value("scale_factor", ["n", 2])]
    return inputs, [parts.value("boxes", ["k", columns]), parts.value("count", [1], "INT32")]


def _detector(parts: Parts) -> tuple[list[Any], list[Any]]:
    _rows(parts, CORNERS, [0, 0, 3, 2, 4])
    return _detector_ends(parts, 6)


def _with_sizes(parts: Parts) -> tuple[list[Any], list[Any]]:
    """As the DETR family: a third input, in which boxes are parts of it."""
    relative = parts.constant(np.array([[0.1, 0.2, 0.6, 0.7], [0.3, 0.1, 0.5, 0.9]], np.float32))
    sides = parts.node("Gather", "im_shape", parts.constant(np.array([1, 0, 1, 0])), axis=1)
    swapped = parts.node("Gather", "scale_factor", parts.constant(np.array([1, 0, 1, 0])), axis=1)
    boxes = parts.node("Div", parts.node("Mul", relative, sides), swapped)
    mean = parts.node("Sigmoid", parts.node("ReduceMean", "image", axes=[0, 1, 2, 3], keepdims=0))
    sure = parts.node("Add", parts.constant(np.array([[0.3], [0.1]], np.float32)), mean)
    parts.node("Concat", parts.constant(np.array([[1], [4]], np.float32)), sure, boxes, axis=1, to="boxes")
    inputs, outputs = _detector_ends(parts, 6)
    return [parts.value("im_shape", ["n", 2]), *inputs], outputs


def _turned(parts: Parts) -> tuple[list[Any], list[Any]]:
    _rows(parts, [[50, 10, 90, 40, 60, 80, 20, 50], [-5, 0, 330, 10, 320, 40, 0, 30]], [0, 1])
    return _detector_ends(parts, 10)


def _instances(parts: Parts) -> tuple[list[Any], list[Any]]:
    _rows(parts, CORNERS[:3], [0, 1, 3])
    parts.node("Identity", "im_shape", to="unused")
    masks = np.zeros((3, 200, 320), np.int32)
    masks[0, 20:70, 15:190], masks[1, 15:60, 20:100], masks[2, 30:45, 35:80] = 1, 1, 1
    parts.node("Identity", parts.constant(masks), to="masks")
    inputs, outputs = _detector_ends(parts, 6)
    return [parts.value("im_shape", ["n", 2]), *inputs], [*outputs, parts.value("masks", [3, 200, 320], "INT32")]


def _segmentation(parts: Parts) -> tuple[list[Any], list[Any]]:
    parts.node("Cast", parts.node("ArgMax", "x", axis=1, keepdims=0), to="y", kind="INT32")
    return [parts.value("x", ["n", 3, "h", "w"])], [parts.value("y", ["n", "h", "w"], "INT32")]


def _keypoints(parts: Parts) -> tuple[list[Any], list[Any]]:
    """Hills, whose tops are between the pixels."""
    down, across = np.mgrid[:32, :24]
    tops = ((6.3, 8.4), (17.7, 5.2), (11.4, 25.6))
    hills = [np.exp(-((across - x) ** 2 + (down - y) ** 2) / 4) for x, y in tops]
    mean = parts.node("Sigmoid", parts.node("ReduceMean", "image", axes=[1, 2, 3], keepdims=1))
    parts.node("Mul", parts.constant(np.array([hills], np.float32)), mean, to="heat")
    parts.node("ArgMax", parts.node("Flatten", "heat", axis=2), axis=1, keepdims=0, to="best")
    return [parts.value("image", ["n", 3, 128, 96])], [
        parts.value("heat", ["n", 3, 32, 24]),
        parts.value("best", ["m"], "INT64"),
    ]


def _text_map(parts: Parts) -> tuple[list[Any], list[Any]]:
    dark = parts.node("Mul", parts.node("ReduceMean", "x", axes=[1], keepdims=1), parts.constant(np.float32(-4)))
    parts.node("Sigmoid", dark, to="y")
    return [parts.value("x", ["n", 3, "h", "w"])], [parts.value("y", ["n", 1, "h", "w"])]


def _line(parts: Parts) -> tuple[list[Any], list[Any]]:
    columns = parts.node("AveragePool", "x", kernel_shape=[48, 8], strides=[48, 8])
    flat = parts.node("Squeeze", columns, parts.constant(np.array([2])))
    steps = parts.node("Transpose", flat, perm=[0, 2, 1])
    weights = parts.constant(np.array([[-4, 2, 9, 1], [1, -3, 1, 2], [3, 2, -9, 1]], np.float32))
    parts.node("Softmax", parts.node("MatMul", steps, weights), axis=2, to="y")
    return [parts.value("x", ["n", 3, 48, "w"])], [parts.value("y", ["n", "t", 4])]


def _classes(name: str, behind: Mapping[str, Any]) -> dict[str, Any]:
    steps = [
        {"ResizeImage": {"resize_short": 256}},
        {"CropImage": {"size": 224}},
        {"NormalizeImage": {"channel_num": 3, **IMAGENET, "order": "", "scale": 0.00392156862745098}},
        {"ToCHWImage": None},
    ]
    if "Topk" not in behind:
        steps[:2] = [{"ResizeImage": {"size": [224, 224]}}]
    return {"Global": {"model_name": name}, "PreProcess": {"transform_ops": steps}, "PostProcess": behind}


def _boxes(name: str, arch: str, keeps: bool = False, **more: Any) -> dict[str, Any]:
    steps = [
        {"interp": 2, "keep_ratio": keeps, "target_size": [320, 320], "type": "Resize"},
        {**IMAGENET, "is_scale": True, "norm_type": "mean_std", "type": "NormalizeImage"},
        {"type": "Permute"},
    ]
    if keeps:
        steps.append({"type": "PadStride", "stride": 320})
    about = {"mode": "paddle", "draw_threshold": 0.5, "metric": "COCO", "arch": arch, "min_subgraph_size": 3}
    return {**about, "Preprocess": steps, "label_list": LABELS, **more, "Global": {"model_name": name}}


_READ = {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}}
_DETECT: dict[str, Any] = {
    "Global": {"model_name": "PP-OCRv5_mobile_det"},
    "PreProcess": {
        "transform_ops": [
            _READ,
            {"DetLabelEncode": None},
            {"DetResizeForTest": {"resize_long": 960}},
            {"NormalizeImage": {**IMAGENET, "order": "hwc", "scale": "1./255."}},
            {"ToCHWImage": None},
            {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}},
        ]
    },
    "PostProcess": {
        "name": "DBPostProcess",
        "thresh": 0.3,
        "box_thresh": 0.6,
        "max_candidates": 1000,
        "unclip_ratio": 1.5,
    },
}
_POSE = [
    {"trainsize": [96, 128], "type": "TopDownEvalAffine", "use_udp": True},
    {**IMAGENET, "is_scale": True, "type": "NormalizeImage"},
    {"type": "Permute"},
]

EXPORTS: Mapping[str, tuple[Graph, dict[str, Any]]] = {
    "classifier": (_classifier, _classes("ResNet50", {"Topk": {"topk": 3, "label_list": LABELS}})),
    "multilabel": (
        _multilabel,
        _classes("PP-LCNet_x1_0_ML", {"MultiLabelThreshOutput": {"threshold": 0.5, "label_list": LABELS}}),
    ),
    "detector": (_detector, _boxes("PicoDet-S", "GFL")),
    "layout": (
        _detector,
        _boxes("PicoDet-S", "GFL", layout_nms=True, layout_unclip_ratio=[1.1, 1.2], layout_merge_bboxes_mode="large"),
    ),
    "detector_with_sizes": (_with_sizes, _boxes("RT-DETR-L", "DETR", True)),
    "turned": (_turned, _boxes("PP-YOLOE-R-L", "YOLO")),
    "instances": (_instances, _boxes("Mask-RT-DETR-L", "DETR")),
    "segmentation": (
        _segmentation,
        {
            "Global": {"model_name": "PP-LiteSeg-T"},
            "Deploy": {"transforms": [{"type": "Resize", "target_size": [256, 128]}, {"type": "Normalize"}]},
        },
    ),
    "keypoints": (
        _keypoints,
        {
            "mode": "paddle",
            "arch": "keypoint",
            "draw_threshold": 0.5,
            "Preprocess": _POSE,
            "label_list": ["keypoint"],
            "Global": {"model_name": "PP-TinyPose_128x96"},
        },
    ),
    "text_map": (_text_map, _DETECT),
    "seal_map": (_text_map, {**_DETECT, "PostProcess": {**_DETECT["PostProcess"], "box_type": "poly"}}),
    "line": (
        _line,
        {
            "Global": {"model_name": "PP-OCRv5_mobile_rec"},
            "PreProcess": {
                "transform_ops": [
                    _READ,
                    {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}},
                    {"RecResizeImg": {"image_shape": [3, 48, 320]}},
                    {"KeepKeys": {"keep_keys": ["image"]}},
                ]
            },
            "PostProcess": {"name": "CTCLabelDecode", "character_dict": ["a", "7"]},
        },
    ),
}
"""By name: the graph, and what its file says."""
