"""The models of Paddle Serving's list, and what takes their place now that the host of its archives is gone."""

from collections.abc import Mapping

NAMES: Mapping[str, tuple[str, ...]] = {
    "SentimentAnalysis": ("senta_bilstm", "senta_bow", "senta_cnn"),
    "SemanticRepresentation": ("ernie",),
    "ChineseWordSegmentation": ("lac",),
    "ObjectDetection": ("faster_rcnn", "yolov4", "blazeface"),
    "ImageSegmentation": ("unet", "deeplabv3", "deeplabv3+cityscapes"),
    "ImageClassification": ("resnet_v2_50_imagenet", "mobilenet_v2_imagenet"),
    "OCR": ("ocr_det", "ocr_rec"),
}
"""By kind, in its order."""

_CONVERT = "python -m paddle_serving_client.convert makes a served model of it (docs/convert.md)."
_INSTEAD = {
    "SentimentAnalysis": f"PaddleNLP has models for sentiment; export one, and {_CONVERT}",
    "SemanticRepresentation": f"PaddleNLP has ERNIE; export it, and {_CONVERT}",
    "ChineseWordSegmentation": f"PaddleNLP has LAC; export it, and {_CONVERT}",
    "ObjectDetection": f"PaddleDetection has such models; export one, and {_CONVERT}",
    "ImageSegmentation": f"PaddleSeg has such models; export one, and {_CONVERT}",
    "ImageClassification": f"paddle.vision.models and PaddleClas have such models; export one, and {_CONVERT}",
    "OCR": "python convert/ppocr.py makes ppocr_det, ppocr_cls and ppocr_rec, which are newer.",
}


def is_known(name: str) -> bool:
    """Whether Paddle Serving's list had a model of that name."""
    return any(name in names for names in NAMES.values())


def instead_of(name: str) -> str:
    """What to use in the place of a model of the list."""
    return next(_INSTEAD[kind] for kind, names in NAMES.items() if name in names)
