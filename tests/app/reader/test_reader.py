import inspect

from paddle_serving_app import reader

OF_PADDLE_SERVING_0_9 = {
    "BGR2RGB",
    "Base64ToImage",
    "BlazeFacePostprocess",
    "CenterCrop",
    "ChineseBertReader",
    "DBPostProcess",
    "DetectionBGR2RGB",
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
    "Normalization",
    "Normalize",
    "OCRReader",
    "PadStride",
    "RCNNPostprocess",
    "RGB2BGR",
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
}
OUR_OWN = {"BoxDrawing", "ReadImage"}


def test_the_list_is_sorted_closed_and_of_old_names() -> None:
    assert reader.__all__ == sorted(reader.__all__)
    assert {name for name, _ in inspect.getmembers(reader, inspect.isclass)} == set(reader.__all__)
    assert set(reader.__all__) <= OF_PADDLE_SERVING_0_9 | OUR_OWN


def test_the_ops_have_the_old_arguments() -> None:
    arguments = {name: list(inspect.signature(getattr(reader, name)).parameters) for name in reader.__all__}
    assert arguments["Resize"] == ["size", "max_size", "interpolation"]
    assert arguments["Normalize"] == ["mean", "std", "channel_first"]
    assert arguments["OCRReader"] == ["algorithm", "image_shape", "char_type", "batch_num", "char_dict_path"]
    assert arguments["DBPostProcess"] == ["params"]
    assert arguments["FilterBoxes"] == ["width", "height"]
    assert arguments["ResizeByFactor"] == ["factor", "max_side_len"]
