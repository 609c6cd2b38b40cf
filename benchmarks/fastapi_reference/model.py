"""The work itself, as an engineer writes it with OpenCV, NumPy and ONNX Runtime: for the server and the bare loops."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
TOP = 5


def session(file: Path, threads: int) -> Any:
    """A model, with that many computing threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


class Classifier:
    """JPEG in, the five best classes out."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        cv2.setNumThreads(threads)
        self._session = session(file, threads)
        self._name = self._session.get_inputs()[0].name

    def __call__(self, jpeg: bytes) -> dict[str, list[Any]]:
        """The answer, ready for JSON."""
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError("not a picture")
        scores = self._session.run(None, {self._name: prepared(image)[None]})[0][0]
        best = np.argsort(-scores)[:TOP]
        return {"classes": best.tolist(), "scores": scores[best].tolist()}


def prepared(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(H, W, 3) BGR to (3, 224, 224) float32: short side to 256, middle 224, RGB, 0..1, normalised."""
    height, width = image.shape[:2]
    scale = 256 / min(height, width)
    image = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
    top, left = (image.shape[0] - 224) // 2, (image.shape[1] - 224) // 2
    rgb = image[top : top + 224, left : left + 224, ::-1]
    normal = (rgb.astype(np.float32) / 255.0 - MEAN) / STD
    return np.ascontiguousarray(normal.transpose(2, 0, 1))
