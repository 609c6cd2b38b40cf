"""A process that does one part of a case: writes the program, converts it, or runs it. It may crash.

    python -m tests.compare.operators.worker ROLE REPLY_FD     (started by `workers`)

Roles: `paddle2` and `paddle3` write programs (a process of Paddle can write one form only), `paddle2onnx` converts,
`onnx` writes ONNX models, and the libraries of `paddle_serving_app.backends` run what there is, as a server would.
Jobs come as lines of JSON and are answered by one line each.
"""

import contextlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from tests.compare.operators import old_paddle, onnx_models, programs
from tests.compare.operators.case import Case, In

MODEL = "inference"
OPSET = 17
_CONVERSION_S = 20
WEIGHTS = "weights.npz"


def main(argv: list[str]) -> int:
    """Do jobs until there are no more."""
    role = argv[0]
    if role == "paddle2":
        os.environ["FLAGS_enable_pir_api"] = "0"  # noqa: SIM112  # so it is called
    do = _role(role)
    with os.fdopen(int(argv[1]), "w") as replies:
        for line in sys.stdin:
            try:
                reply = do(json.loads(line))
            except Exception as exc:
                words = " ".join(str(exc).split())
                reply = {"error": f"{type(exc).__name__}: {words[:200]} ... {words[-200:]}"}
            print(json.dumps(reply), file=replies, flush=True)
    return 0


def _role(role: str) -> Callable[[dict[str, Any]], dict[str, object]]:
    warnings.simplefilter("ignore")
    if role in ("paddle2", "paddle3"):
        return _Paddle(role).write
    if role == "paddle2onnx":
        return _Converter().convert
    if role == "onnx":
        return _write_onnx
    return _Library(role).run


def programs_in(folder: Path) -> list[Path]:
    """Where a program may lie."""
    return [folder / f"{MODEL}.{ending}" for ending in ("pdmodel", "json", "onnx")]


class _Paddle:
    """Writes programs."""

    def __init__(self, form: str) -> None:
        import paddle

        paddle.enable_static()
        if form == "paddle2":
            old_paddle.put_back(paddle)
        self._paddle = paddle
        self._form = form
        self._cases = {case.name: case for case in programs.cases()}

    def write(self, job: dict[str, Any]) -> dict[str, object]:
        """Write the program of a case for one element type."""
        paddle, case, element_type = self._paddle, self._cases[job["case"]], job["type"]
        program, startup = paddle.static.Program(), paddle.static.Program()
        static = paddle.static
        with (
            static.scope_guard(static.Scope()),
            static.program_guard(program, startup),
            paddle.utils.unique_name.guard(),
        ):
            feeds, inputs = [], []
            weights = np.load(Path(job["folder"]).parent / WEIGHTS)
            for number, spec in enumerate(case.inputs):
                if spec.is_weight:
                    tensor = self._weight(weights[f"x{number}"])
                else:
                    tensor = static.data(f"x{number}", _declared(spec), _fed(spec, element_type))
                    feeds.append(tensor)
                is_cast = spec.type == "T" and element_type == "bfloat16"
                inputs.append(paddle.cast(tensor, "bfloat16") if is_cast else tensor)
            made = case.build(paddle, *inputs)
            outputs = [self._fetchable(value) for value in (made if isinstance(made, list | tuple) else [made])]
            outputs = [value for value in outputs if value is not None]
            executor = static.Executor(paddle.CPUPlace())
            executor.run(startup)
            stem = str(Path(job["folder"]) / MODEL)
            with contextlib.redirect_stdout(None):
                static.save_inference_model(stem, feeds, outputs, executor, program=program)
        return {}

    def _weight(self, values: Any) -> Any:
        paddle = self._paddle
        initial = paddle.nn.initializer.Assign(values)
        return paddle.create_parameter(list(values.shape), str(values.dtype), default_initializer=initial)

    def _fetchable(self, value: Any) -> Any:
        """With a type that numpy has; None for complex numbers, which are not served."""
        kind = str(value.dtype).rpartition(".")[2].lower()
        if "complex" in kind:
            return None
        return self._paddle.cast(value, "float32") if kind in ("bfloat16", "bf16") else value


def _declared(spec: In) -> list[int]:
    return list(spec.shape) if spec.is_fixed else [-1, *spec.shape[1:]]


def _fed(spec: In, element_type: str) -> str:
    wanted = element_type if spec.type == "T" else spec.type
    return "float32" if wanted == "bfloat16" else wanted


class _Converter:
    """Converts in a copy of this process: paddle2onnx ends its process for what it does not know."""

    def __init__(self) -> None:
        import paddle2onnx

        self._paddle2onnx = paddle2onnx
        self._is_warm = False

    def convert(self, job: dict[str, Any]) -> dict[str, object]:
        """Write the ONNX form of a program."""
        child = os.fork()
        if child == 0:
            signal.alarm(_CONVERSION_S)
            try:
                self._convert(job)
                os._exit(0)
            except BaseException:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code:
            return {"error": f"ended by {signal.Signals(-code).name}" if code < 0 else "it raised"}
        if not self._is_warm:
            self._convert(job)  # what it imports by the way takes two seconds: once here, not in each copy
            self._is_warm = True
        return {}

    def _convert(self, job: dict[str, Any]) -> None:
        source = Path(job["from"])
        program = next(path for path in programs_in(source) if path.exists())
        params = source / f"{MODEL}.pdiparams"
        target = Path(job["folder"]) / f"{MODEL}.onnx"
        given = str(params) if params.exists() else ""
        self._paddle2onnx.export(str(program), given, str(target), opset_version=OPSET)
        if not target.exists() or not target.stat().st_size:
            raise FileNotFoundError("nothing was written")


def _write_onnx(job: dict[str, Any]) -> dict[str, object]:
    case: Case = {case.name: case for case in onnx_models.cases()}[job["case"]]
    onnx_models.write(case, job["type"], Path(job["folder"]) / f"{MODEL}.onnx")
    return {}


class _Library:
    """Runs models as a server would."""

    def __init__(self, role: str) -> None:
        from paddle_serving_app import backends
        from paddle_serving_app.backend import Plugin
        from paddle_serving_client import plugins

        name, _, onednn = role.partition("+")
        self._plugin = cast(Plugin, plugins.load(backends, name))
        self._onednn = bool(onednn)

    def run(self, job: dict[str, Any]) -> dict[str, object]:
        """Run all feeds; their outputs go to files, and what went wrong into the reply."""
        from paddle_serving_app.backend import ModelOptions
        from paddle_serving_client.model_config import ModelSpec

        options = ModelOptions(onednn=self._onednn, threads=1)
        backend = self._plugin.load(Path(job["folder"]), ModelSpec((), ()), options)
        errors = {}
        try:
            for name in job["feeds"]:
                with np.load(Path(job["feeds_at"]) / f"{name}.npz") as found:
                    arrays = [found[spec.name] for spec in backend.inputs]
                try:
                    outputs = backend.run(arrays, {}).arrays
                except Exception as exc:
                    errors[name] = " ".join(str(exc).split())[:200]
                    continue
                named = {f"{k}": array for k, array in enumerate(outputs)}
                np.savez(Path(job["answers"]) / f"{name}.npz", allow_pickle=False, **named)
        finally:
            backend.close()
        return {"errors": errors, "outputs": [spec.name for spec in backend.outputs]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
