"""Folders of the Python backend, written and loaded in this process, and another service that they may ask."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app import handler
from paddle_serving_app.handler import Handler, HandlerContext, HandlerRequest, HandlerSpec
from paddle_serving_client.errors import Busy, NoService

Load = Callable[..., Handler]
X = 'input [ { name: "X" data_type: TYPE_FP32 dims: [ 2 ] } ]\n'
X += 'output [ { name: "Y" data_type: TYPE_FP32 dims: [ 2 ] } ]\n'
BATCHES = f'backend: "python"\nmax_batch_size: 4\ndynamic_batching {{ }}\n{X}'
HEAD = "import numpy as np\nimport triton_python_backend_utils as pb_utils\n"


class Others:
    """Another service: `double`; what else it is asked for is not there."""

    def __call__(self, service: str, version: str = "", **call: Any) -> Any:
        if service == "busy":
            raise Busy("later")
        if service == "parts":
            return [{"Y": call["tensors"]["X"]}, {"Y": -call["tensors"]["X"]}]
        if service != "double":
            raise NoService(f"no {service}")
        return {"Y": 2 * call["tensors"]["X"]}

    def begin(self, service: str, version: str = "", **call: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        threading.Timer(0.01, lambda: future.set_result(self(service, version, **call))).start()
        return future


def load(
    folder: Path,
    code: str,
    config: str | None = BATCHES,
    files: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Handler:
    """Write a model folder, and load it."""
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(HEAD + code)
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    if config is not None:
        (folder / "config.pbtxt").write_text(config)
    assert handler.at(folder) == HandlerSpec(kind="triton_python", path=str(folder))
    spec = HandlerSpec(kind="triton_python", path=str(folder), settings=settings or {})
    return handler.load(spec, HandlerContext("thing", Others()))


def asked(*rows: Any, **more: Any) -> HandlerRequest:
    return HandlerRequest(tensors={"X": np.array(rows, np.float32)}, **more)


def only(handler: Handler, request: HandlerRequest) -> Any:
    (result,) = handler.handle([request])
    return result


def body(lines: str, head: str = "") -> str:
    inner = "".join(f"        {line}\n" for line in lines.strip().splitlines())
    return f"class TritonPythonModel:\n{head}    def execute(self, requests):\n{inner}"


EACH = "return [pb_utils.InferenceResponse([pb_utils.Tensor('Y', {what})]) for r in requests]"
SAME = body(EACH.format(what="pb_utils.get_input_tensor_by_name(r, 'X').as_numpy()"))
