import importlib
import inspect
import subprocess
import sys

import pytest

from paddle_serving_app import reader
from tests.serving import ROOT

OF_PADDLE_SERVING_0_9 = {
    "BGR2RGB",
    "Base64ToImage",
    "BlazeFacePostprocess",
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
    "Lambda",
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
OUR_OWN = {"BoxDrawing", "LabelledBoxes", "MaskOverlay", "ReadImage"}


def test_the_list_is_sorted_closed_and_of_old_names() -> None:
    assert reader.__all__ == sorted(reader.__all__)
    assert {name for name, _ in inspect.getmembers(reader, inspect.isclass)} == set(reader.__all__)
    assert set(reader.__all__) == OF_PADDLE_SERVING_0_9 | OUR_OWN


def test_a_star_import_gives_the_list_and_no_modules() -> None:
    code = "import cv2\nfrom paddle_serving_app.reader import *\nprint(*(name for name in dir() if name[0] != '_'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) == {"cv2", *reader.__all__}


def test_the_ops_have_the_old_arguments() -> None:
    arguments = {name: list(inspect.signature(getattr(reader, name)).parameters) for name in reader.__all__}
    assert arguments["Resize"] == ["size", "max_size", "interpolation"]
    assert arguments["Normalize"] == ["mean", "std", "channel_first"]
    assert arguments["OCRReader"] == ["algorithm", "image_shape", "char_type", "batch_num", "char_dict_path"]
    assert arguments["DBPostProcess"] == ["params"]
    assert arguments["FilterBoxes"] == ["width", "height"]
    assert arguments["ResizeByFactor"] == ["factor", "max_side_len"]
    assert arguments["DetectionResize"] == ["target_size", "keep_ratio", "interpolation"]
    assert arguments["DetectionNormalize"] == ["mean", "std", "is_scale"]
    assert arguments["RCNNPostprocess"] == ["label_file", "output_dir", "resize_shape"]
    assert arguments["SegPostprocess"] == ["class_num"]
    assert arguments["Scale"] == ["short_size", "fixed_ratio", "keep_ratio", "do_round", "backend"]
    assert arguments["ChineseBertReader"] == ["args"]
    assert arguments["LACReader"] == ["dict_folder"]
    assert arguments["SentaReader"] == ["vocab_path", "max_seq_len"]
    assert arguments["Sampler"][:4] == ["num_seg", "seg_len", "frame_interval", "valid_mode"]


@pytest.mark.parametrize(
    "module", ["chinese_bert_reader", "image_reader", "lac_reader", "ocr_reader", "pptsn_reader", "senta_reader"]
)
def test_the_modules_of_old_imports_have_the_same_classes(module: str) -> None:
    old = importlib.import_module(f"paddle_serving_app.reader.{module}")
    assert old.__all__ == sorted(old.__all__)
    for name in old.__all__:
        assert getattr(old, name) is getattr(reader, name)


def test_pddet_has_detection() -> None:
    pddet = importlib.import_module("paddle_serving_app.reader.pddet")
    assert list(inspect.signature(pddet.Detection).parameters) == ["config_path", "output_dir"]


def test_imdb_reader_has_the_data_set() -> None:
    imdb = importlib.import_module("paddle_serving_app.reader.imdb_reader")
    assert imdb.__all__ == ["IMDBDataset"]
    methods = {"load_resource": ["dictfile"], "get_words_only": ["line"], "get_words_and_label": ["line"]}
    for name, parameters in methods.items():
        assert list(inspect.signature(getattr(imdb.IMDBDataset, name)).parameters)[1:] == parameters
