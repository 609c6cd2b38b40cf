"""What all tests share: where paddle2onnx is not to be had (Python 3.13), what needs it is skipped, and says so."""

import importlib.util

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "paddle2onnx: converts a Paddle model to ONNX")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are no name: a gzip holds the time it was packed, and processes that share the tests compare names."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("paddle2onnx") is not None:
        return
    skip = pytest.mark.skip(reason="paddle2onnx is not installed")
    for item in items:
        if item.get_closest_marker("paddle2onnx") or _needs_conversion(item):
            item.add_marker(skip)


def _needs_conversion(item: pytest.Item) -> bool:
    """Whether the parameters say so: ONNX Runtime reads no Paddle program, OpenVINO none of Paddle 3."""
    case = item.name.partition("[")[2]
    return "onnx" in case or ("openvino" in case and "json" in case)
