"""`BaseHandler`: from the files of an archive to a model, and a batch through it. Most handlers are subclasses of it.

ONNX models need no torch. Weights of a `.pt` are read as weights only.
"""

import importlib.util
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ts.utils.util import list_classes_from_module, load_label_mapping

try:
    import torch
except ImportError:
    torch = None

logger = logging.getLogger(__name__)


class BaseHandler:
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Any = None
        self.mapping: dict[str, str] | None = None
        self.device: Any = None
        self.initialized = False
        self.context: Any = None
        self.manifest: Any = None
        self.map_location: str | None = None
        self.explain = False
        self.target = 0
        self.model_pt_path: str | None = None
        self.profiler_args: dict[str, Any] = {}

    def initialize(self, context: Any) -> None:
        """Load the model that the manifest names.

        Raises:
            RuntimeError: there is no such file, or nothing here can load it.
        """
        properties = context.system_properties
        self.context, self.manifest = context, context.manifest
        model_dir, about = properties.get("model_dir"), self.manifest["model"]
        gpu = properties.get("gpu_id")
        has_gpu = torch is not None and gpu is not None and torch.cuda.is_available()
        self.map_location = "cuda" if has_gpu else "cpu"
        if torch is not None:
            self.device = torch.device(f"{self.map_location}:{gpu}" if has_gpu else "cpu")
        serialized, model_file = about.get("serializedFile", ""), about.get("modelFile", "")
        self.model_pt_path = os.path.join(model_dir, serialized) if serialized else None
        if model_file:
            self.model = self._load_pickled_model(model_dir, model_file, self.model_pt_path)
        elif serialized.endswith(".onnx"):
            self.model = self._load_onnx_model(self.model_pt_path)
        elif serialized.endswith((".pt", ".pth", ".pt2")):
            self.model = self._load_torchscript_model(self.model_pt_path)
        elif serialized:
            raise RuntimeError(f"{serialized}: expected .pt, .pth or .onnx")
        else:
            raise RuntimeError("the archive has no model: neither --serialized-file nor --model-file")
        if torch is not None and isinstance(self.model, torch.nn.Module):
            self.model.to(self.device)
            self.model.eval()
        self.mapping = load_label_mapping(os.path.join(model_dir, "index_to_name.json"))
        self.initialized = True

    def _load_torchscript_model(self, model_pt_path: str | None) -> Any:
        _require_torch(model_pt_path)
        return torch.jit.load(model_pt_path, map_location=self.device)

    def _load_pickled_model(self, model_dir: str, model_file: str, model_pt_path: str | None) -> Any:
        """The one class of a module of the archive, with the weights beside it.

        Raises:
            RuntimeError: there is no such file, or not just one class in it.
        """
        _require_torch(model_file)
        path = Path(model_dir) / model_file
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise RuntimeError(f"{model_file} is not in the archive")
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        classes = [one for one in list_classes_from_module(module) if issubclass(one, torch.nn.Module)]
        if len(classes) != 1:
            names = ", ".join(one.__name__ for one in classes) or "none"
            raise RuntimeError(f"{model_file}: expected just one class of a model, got {names}")
        if not model_pt_path:
            return classes[0]()
        allows_code = self.context.system_properties.get("allows_pickled_weights") is True
        try:
            found = torch.load(model_pt_path, map_location=self.device, weights_only=not allows_code)
        except Exception as exc:
            if type(exc).__name__ != "UnpicklingError":
                raise
            raise RuntimeError(
                f"{os.path.basename(model_pt_path)} is a pickled model, whose loading may run any code: save the "
                "state_dict() of the model, or start the server with --allow-pickled-weights"
            ) from exc
        if isinstance(found, torch.nn.Module):
            return found
        model = classes[0]()
        model.load_state_dict(found)
        return model

    def _load_onnx_model(self, path: str | None) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def preprocess(self, data: Any) -> Any:
        """A batch of numbers: of each request `data`, else `body`, as JSON or a list."""
        rows = [_numbers(row) for row in data]
        if torch is None or _is_onnx(self.model):
            return np.asarray(rows, np.float32)
        return torch.as_tensor(rows, dtype=torch.float32, device=self.device)

    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the model on a batch."""
        if _is_onnx(self.model):
            array = data if isinstance(data, np.ndarray) else data.detach().to(torch.float32).cpu().numpy()
            outputs = self.model.run(None, {self.model.get_inputs()[0].name: np.ascontiguousarray(array)})
            return outputs[0] if torch is None else torch.as_tensor(outputs[0])
        with torch.inference_mode():
            return self.model(data.to(self.device), *args, **kwargs)

    def postprocess(self, data: Any) -> list[Any]:
        """One result for each request."""
        found: list[Any] = data.tolist()
        return found

    def explain_handle(self, data_preprocess: Any, raw_data: Any) -> Any:
        """Why the model answers so.

        Raises:
            NotImplementedError: a handler that can say it has `get_insights`.
        """
        get_insights = getattr(self, "get_insights", None)
        if get_insights is None:
            raise NotImplementedError("this handler explains nothing: it has no get_insights")
        inputs, target = None, 0
        for row in raw_data:
            inputs = row.get("data") or row.get("body") if isinstance(row, dict) else row
            target = row.get("target", 0) if isinstance(row, dict) else 0
        return get_insights(data_preprocess, inputs, target)

    def handle(self, data: Any, context: Any) -> Any:
        """Answer a batch: preprocess, inference, postprocess."""
        started = time.perf_counter()
        self.context = context
        prepared = self.preprocess(data)
        if getattr(context, "explain", False):
            output = self.explain_handle(prepared, data)
        else:
            output = self.postprocess(self.inference(prepared))
        elapsed_ms = (time.perf_counter() - started) * 1000
        if (metrics := getattr(context, "metrics", None)) is not None:
            metrics.add_time("HandlerTime", round(elapsed_ms, 2), None, "ms")
        return output

    def describe_handle(self) -> dict[str, Any] | None:
        """What is told of the model beside what the server knows."""
        return None


def _require_torch(what: str | None) -> None:
    if torch is None:
        raise RuntimeError(f"{os.path.basename(what or '')} needs torch: pip install 'paddle-serving-next[torch]'")


def _is_onnx(model: Any) -> bool:
    return hasattr(model, "get_inputs") and hasattr(model, "run")


def _numbers(row: Any) -> Any:
    value = row.get("data") if isinstance(row, dict) else row
    if value is None and isinstance(row, dict):
        value = row.get("body")
    if isinstance(value, bytes | bytearray | str):
        value = json.loads(value)
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return value
