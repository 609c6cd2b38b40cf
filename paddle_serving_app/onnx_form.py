"""The ONNX form of a Paddle program, put beside it when it is converted for serving.

ONNX Runtime and OpenVINO run most programs faster than Paddle does, and a program of Paddle 3 only in this form. What
makes it is not to be had for every Python, and takes seconds; a folder that brings the form along needs it no more, and
does not even need Paddle. It is written only if it answers as the program does.
"""

import shutil
from pathlib import Path

from paddle_serving_app import backends, graph, model_files, paddle_to_onnx
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import agreement, samples
from paddle_serving_app.model import Model
from paddle_serving_client import manifest, plugins
from paddle_serving_client.errors import BackendFailed, ServingError
from paddle_serving_client.message import Array

_RUNNER = "onnxruntime"
_NEEDED = ("paddle", _RUNNER)


def add(folder: Path) -> str:
    """Write the ONNX form of a served folder's Paddle program into the folder, and its digest into the manifest.

    Args:
        folder: a server folder with a manifest.

    Returns:
        One line on what became of it: the file that was written, or why there is none.
    """
    try:
        return _added(folder)
    except (ServingError, OSError) as exc:
        return f"no ONNX form beside it: {' '.join(str(exc).split())}"


def _added(folder: Path) -> str:
    if (program := model_files.paddle_program(folder)) is None or model_files.is_in_memory(program):
        return "no ONNX form beside it: there is no Paddle program that can be read"
    if (reason := paddle_to_onnx.refuses(folder)) is not None:
        return f"no ONNX form beside it: {reason}"
    for name in _NEEDED:
        if (reason := plugins.load(backends, name).missing()) is not None:
            return f"no ONNX form beside it, since it could not be compared: {reason}"
    if (difference := _difference(folder)) is not None:
        return f"no ONNX form beside it: {difference}"
    model = model_files.read_paddle(folder)
    target = folder / paddle_to_onnx.name_beside(model)
    if not target.exists():
        shutil.copyfile(paddle_to_onnx.onnx_of(folder).path, target)
    manifest.write(folder, [*manifest.listed(folder), target.name])
    return f"{target.name}: the same for the libraries that read ONNX"


def _difference(folder: Path) -> str | None:
    """How the ONNX form answers otherwise than the program; None where it does not."""
    original = Model.load(folder, ModelOptions(backend="paddle", onednn=False))
    try:
        converted = Model.load(folder, ModelOptions(backend=_RUNNER))
        try:
            return _compared(original, converted, graph.read(folder) is not None)
        finally:
            converted.close()
    finally:
        original.close()


def _compared(original: Model, converted: Model, has_graph: bool) -> str | None:
    compared = 0
    for style in samples.STYLES if has_graph else samples.STYLES[:1]:
        arranged = original.sample(1, compared, (style,))
        if arranged is None:
            break
        try:
            expected = original.run(arranged).arrays
        except BackendFailed:
            continue
        if not _is_telling(expected):
            continue
        distance = agreement.distance(converted.run(arranged).arrays, expected)
        if distance > agreement.TOLERANCE["fp32"]:
            return f"paddle2onnx does not keep what it computes (seen with {style!r} numbers)"
        compared += 1
    return None if compared else "no made-up input fits the model, so it could not be compared"


def _is_telling(outputs: tuple[Array, ...]) -> bool:
    return all(agreement.has_numbers(array) for array in outputs)
