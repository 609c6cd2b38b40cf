"""The import names of Paddle Serving's `paddle_serving_app.reader`, and two of our own: `BoxDrawing` and `ReadImage`.

A closed list; what they do is in `ops`.
"""

from paddle_serving_app.ops.decode import Base64ToImage, File2Image, ReadImage, String2Image
from paddle_serving_app.ops.draw import BoxDrawing
from paddle_serving_app.ops.fetch_url import URL2Image
from paddle_serving_app.ops.image import BGR2RGB, RGB2BGR, CenterCrop, Div, Normalize, PadStride, Sequential, Transpose
from paddle_serving_app.ops.ocr import OCRReader
from paddle_serving_app.ops.resize import Resize, ResizeByFactor
from paddle_serving_app.ops.text_boxes import DBPostProcess, FilterBoxes, GetRotateCropImage, SortedBoxes

__all__ = [
    "BGR2RGB",
    "Base64ToImage",
    "BoxDrawing",
    "CenterCrop",
    "DBPostProcess",
    "Div",
    "File2Image",
    "FilterBoxes",
    "GetRotateCropImage",
    "Normalize",
    "OCRReader",
    "PadStride",
    "RGB2BGR",
    "ReadImage",
    "Resize",
    "ResizeByFactor",
    "Sequential",
    "SortedBoxes",
    "String2Image",
    "Transpose",
    "URL2Image",
]
