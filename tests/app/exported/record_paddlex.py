"""Asks PaddleX's own predictors about the models of `tests/exported_models.py`, and writes what they say.

    python -m tests.app.exported.record_paddlex OUT.json     # in an environment with paddlex 3.7, onnx and onnxruntime

PaddleX is nowhere imported by the project.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import exported_models

KEPT = ("boxes", "masks", "class_ids", "scores", "label_names", "pred", "kpts", "dt_polys", "dt_scores")
KEPT_OF_LINES = ("rec_text", "rec_score")
SIZES = ((320, 200), (200, 320))


def plain(value: Any) -> Any:
    """A value as JSON has it; of masks and maps, where they are not 0."""
    if hasattr(value, "tolist"):
        return runs(value.astype(int).reshape(-1).tolist()) if value.ndim > 1 and value.size > 400 else value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def runs(values: list[int]) -> list[list[int]]:
    """Equal numbers behind each other: [number, how often]."""
    found: list[list[int]] = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1][1] += 1
        else:
            found.append([value, 1])
    return found


def main() -> None:
    """Ask all of them."""
    from paddlex import create_model
    from paddlex.inference.models.bindings.registry import default_registry

    said: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (_, described) in exported_models.EXPORTS.items():
            made = exported_models.make(name, Path(folder))
            _run_by_onnxruntime(default_registry, described["Global"]["model_name"])
            model = create_model(described["Global"]["model_name"], str(made), engine="onnxruntime", device="cpu")
            for width, height in SIZES:
                (result,) = list(model.predict(exported_models.picture(width, height)))
                kept = {key: plain(result[key]) for key in (*KEPT, *KEPT_OF_LINES) if key in result}
                said[f"{name} {width}x{height}"] = kept
    Path(sys.argv[1]).write_text(json.dumps(said) + "\n")


def _run_by_onnxruntime(registry: Any, model_name: str) -> None:
    """Have a predictor that is told to run Paddle programs only run its graph by ONNX Runtime: the rest is the same."""
    if "onnxruntime" not in registry.get_supported_engines(model_name):
        binding = registry.get_binding(model_name, "paddle_static")
        registry.register(binding.predictor, {"onnxruntime": [model_name]})


if __name__ == "__main__":
    main()
