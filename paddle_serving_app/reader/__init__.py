"""The import names of Paddle Serving's `paddle_serving_app.reader`, and four of our own: `ReadImage`, and for drawing
`BoxDrawing`, `LabelledBoxes` and `MaskOverlay`.

A closed list of classes; what they do is in `ops`. `from paddle_serving_app.reader import *` gives these and no
modules, which Paddle Serving's gave by accident: `paddle_serving_app.reader.image_reader` is imported by its path.
"""

from paddle_serving_app.ops.boxes import BlazeFacePostprocess, LabelledBoxes, RCNNPostprocess
from paddle_serving_app.ops.classification import ImageReader
from paddle_serving_app.ops.decode import Base64ToImage, File2Image, ReadImage, String2Image
from paddle_serving_app.ops.detection import (
    DetectionBGR2RGB,
    DetectionDiv,
    DetectionFile2Image,
    DetectionNormalize,
    DetectionPadStride,
    DetectionResize,
    DetectionSequential,
    DetectionTranspose,
)
from paddle_serving_app.ops.draw import BoxDrawing
from paddle_serving_app.ops.fetch_url import URL2Image
from paddle_serving_app.ops.image import (
    BGR2RGB,
    RGB2BGR,
    CenterCrop,
    Div,
    Lambda,
    Normalize,
    PadStride,
    Sequential,
    Transpose,
)
from paddle_serving_app.ops.ocr import OCRReader
from paddle_serving_app.ops.resize import Resize, ResizeByFactor
from paddle_serving_app.ops.segmentation import MaskOverlay, SegPostprocess
from paddle_serving_app.ops.text_boxes import DBPostProcess, FilterBoxes, GetRotateCropImage, SortedBoxes
from paddle_serving_app.ops.text_readers import ChineseBertReader, LACReader, SentaReader
from paddle_serving_app.ops.video import Image2Array, Normalization, Scale, TenCrop
from paddle_serving_app.ops.video_decoder import VideoDecoder
from paddle_serving_app.ops.video_sampling import Sampler

__all__ = [
    "BGR2RGB",
    "Base64ToImage",
    "BlazeFacePostprocess",
    "BoxDrawing",
    "CenterCrop",
    "ChineseBertReader",
    "DBPostProcess",
    "DetectionBGR2RGB",
    "DetectionDiv",
    "DetectionFile2Image",
    "DetectionNormalize",
    "DetectionPadStride",
    "DetectionResize",
    "DetectionSequential",
    "DetectionTranspose",
    "Div",
    "File2Image",
    "FilterBoxes",
    "GetRotateCropImage",
    "Image2Array",
    "ImageReader",
    "LACReader",
    "LabelledBoxes",
    "Lambda",
    "MaskOverlay",
    "Normalization",
    "Normalize",
    "OCRReader",
    "PadStride",
    "RCNNPostprocess",
    "RGB2BGR",
    "ReadImage",
    "Resize",
    "ResizeByFactor",
    "Sampler",
    "Scale",
    "SegPostprocess",
    "SentaReader",
    "Sequential",
    "SortedBoxes",
    "String2Image",
    "TenCrop",
    "Transpose",
    "URL2Image",
    "VideoDecoder",
]
