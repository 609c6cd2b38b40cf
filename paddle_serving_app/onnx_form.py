"""`python -m paddle_serving_app.onnx_form FOLDER`: put the ONNX form of a served Paddle program beside it.

ONNX Runtime and OpenVINO run most programs faster than Paddle does, and a program of Paddle 3 only in this form. What
makes it is not to be had for every Python, and takes seconds; a folder that brings the form along needs it no more, and
does not even need Paddle. Who serves it there has nothing to compare it with, so it is compared here: it is written
only if it answers as the program does, whatever the numbers, the rows and the sizes. `convert` does this, too.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from paddle_serving_app import backends, model_files, paddle_to_onnx
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import agreement, objections, samples
from paddle_serving_app.model import Model
from paddle_serving_app.program import reader
from paddle_serving_app.signature import Arranged
from paddle_serving_client import manifest, plugins
from paddle_serving_client.errors import BackendFailed, ServingError

_RUNNER = "onnxruntime"
_NEEDED = ("paddle", _RUNNER)
_ROWS = (1, 2, 3)
"""A conversion may have written the number of rows, or a size, into the graph."""
_MOST_S = 20.0
"""For the comparisons after the first of each style; a large model has not all sizes compared."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the form, or say in one line why there is none; the exit status is 0 in both cases."""
    parser = argparse.ArgumentParser(prog="python -m paddle_serving_app.onnx_form", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a served model")
    sys.stdout.write(f"{add(parser.parse_args(argv).folder)}\n")
    return 0


def add(folder: Path) -> str:
    """Write the ONNX form of a served folder's Paddle program into the folder, and its digest into the manifest.

    Args:
        folder: a server folder.

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
    if reasons := objections.against(_RUNNER, folder):
        return f"no ONNX form beside it: {'; '.join(reasons)}"
    if (difference := _difference(folder)) is not None:
        return f"no ONNX form beside it: {difference}"
    model = model_files.read_paddle(folder)
    target = folder / paddle_to_onnx.name_beside(model)
    if not model_files.is_listed(target):
        shutil.copyfile(paddle_to_onnx.onnx_of(folder).path, target)
    files = manifest.listed(folder) or [path.name for path in (model.program, *model.params)]
    manifest.write(folder, {*files, target.name})
    return f"{target.name} beside it: the same for ONNX Runtime and OpenVINO"


def _difference(folder: Path) -> str | None:
    """How the ONNX form answers otherwise than the program; None where it does not."""
    original = Model.load(folder, ModelOptions(backend="paddle", onednn=False))
    try:
        converted = Model.load(folder, ModelOptions(backend=_RUNNER))
        try:
            return _compared(original, converted, reader.find(folder) is not None)
        finally:
            converted.close()
    finally:
        original.close()


def _compared(original: Model, converted: Model, is_read: bool) -> str | None:
    compared = 0
    for what, arranged in _feeds(original, is_read):
        try:
            expected = original.run(arranged).arrays
        except BackendFailed:
            continue
        if not all(map(agreement.has_numbers, expected)):
            continue
        try:
            found = converted.run(arranged).arrays
        except BackendFailed as exc:
            return f"what paddle2onnx made of it cannot answer {what}: {exc}"
        if agreement.distance(found, expected, by_row=original.signature.can_join) > agreement.TOLERANCE["fp32"]:
            return f"paddle2onnx does not keep what it computes (seen with {what})"
        compared += 1
    return None if compared else "no made-up input fits the model, so it could not be compared"


def _feeds(model: Model, is_read: bool) -> Iterator[tuple[str, Arranged]]:
    """What is compared, with words for it: each style of numbers, then more rows, and other sizes where one is open."""
    for seed, style in enumerate(samples.STYLES if is_read else samples.STYLES[:1]):
        if (arranged := model.sample(1, seed, (style,))) is not None:
            yield f"{style!r} numbers", arranged
    until = time.monotonic() + _MOST_S
    for size in range(model.sizes):
        for rows in _ROWS:
            arranged = model.sample(rows, rows, size=size)
            if arranged is None or time.monotonic() > until:
                return
            yield f"{rows} rows of {', '.join(str(list(array.shape[1:])) for array in arranged.arrays)}", arranged


if __name__ == "__main__":
    sys.exit(main())
