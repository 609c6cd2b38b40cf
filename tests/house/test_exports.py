"""The public names of the packages, as closed lists: adding one, or losing one, is decided here."""

import importlib

import pytest

EXPORTS = {
    "paddle_serving_client": ["Client", "HttpClient", "MultiLangClient", "__version__", "connect"],
    "paddle_serving_client.aio": ["AsyncService", "AsyncServices", "connect"],
    "paddle_serving_client.metric": ["acc", "auc"],
    "paddle_serving_client.utils": ["MultiThreadRunner", "benchmark_args", "show_latency"],
    "paddle_serving_client.io": ["inference_model_to_serving", "save_dygraph_model", "save_model"],
    "paddle_serving_server.pipeline": [
        "LocalServiceHandler",
        "Op",
        "PipelineClient",
        "PipelineServer",
        "RequestOp",
        "ResponseOp",
    ],
    "paddle_serving_app.reader": [
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
    ],
    "paddle_serving_app.triton.backend_utils": [
        "InferenceRequest",
        "InferenceResponse",
        "LogLevel",
        "Logger",
        "Metric",
        "MetricFamily",
        "ModelConfig",
        "PreferredMemory",
        "ResponseSender",
        "TRITONSERVER_MEMORY_CPU",
        "TRITONSERVER_MEMORY_GPU",
        "TRITONSERVER_REQUEST_FLAG_SEQUENCE_END",
        "TRITONSERVER_REQUEST_FLAG_SEQUENCE_START",
        "TRITONSERVER_REQUEST_RELEASE_ALL",
        "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE",
        "TRITONSERVER_RESPONSE_COMPLETE_FINAL",
        "Tensor",
        "TritonError",
        "TritonModelException",
        "get_input_config_by_name",
        "get_input_tensor_by_name",
        "get_model_dir",
        "get_output_config_by_name",
        "get_output_tensor_by_name",
        "is_model_ready",
        "load_model",
        "numpy_to_triton_type",
        "triton_string_to_numpy",
        "triton_to_numpy_type",
        "unload_model",
        "using_decoupled_model_transaction_policy",
    ],
}


@pytest.mark.parametrize("module", EXPORTS)
def test_a_module_exports_its_list_sorted(module: str) -> None:
    exported = importlib.import_module(module).__all__
    assert exported == sorted(exported)
    assert exported == EXPORTS[module]


@pytest.mark.parametrize("module", EXPORTS)
def test_every_exported_name_is_there(module: str) -> None:
    imported = importlib.import_module(module)
    for name in EXPORTS[module]:
        assert getattr(imported, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchName"):
        _ = importlib.import_module("paddle_serving_client").NoSuchName
