"""Which operators each library claims to know, and which of them the sweep does not reach.

ONNX Runtime lists its kernels. OpenVINO's reader of Paddle programs and paddle2onnx do not: of them, the names of
Paddle's operators are taken that stand in their binaries. A few of these are other words by chance ("data", "load").
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_WORD = re.compile(rb"[a-z][a-z0-9_]{2,50}(?=\0)")
_LIST = "import paddle; print(' '.join(p.type for p in paddle.base.framework.get_all_op_protos()))"
_BINARIES = {
    "openvino": ("openvino", "libs/libopenvino_paddle_frontend*"),
    "paddle2onnx": ("paddle2onnx", "paddle2onnx_cpp2py_export*.so"),
}


def report(results: Iterable[Mapping[str, Any]]) -> str:
    """For each library how many operators it claims, how many were reached, and the names of the others."""
    reached: dict[str, set[str]] = {"paddle2": set(), "paddle3": set(), "onnx": set()}
    for result in results:
        for form, told in result["forms"].items():
            reached[form] |= {operator["operator"] for operator in told.get("operators", ())}
    claimed = claims()
    of_paddle = reached["paddle2"] | reached["paddle3"]
    return "\n".join(
        _line(name, claimed[name], reached["onnx"] if name == "onnxruntime" else of_paddle) for name in sorted(claimed)
    )


def claims() -> dict[str, set[str]]:
    """The operators that each library claims to know."""
    names = set(subprocess.run([sys.executable, "-c", _LIST], capture_output=True, text=True).stdout.split())
    found = {library: names & _words(package, pattern) for library, (package, pattern) in _BINARIES.items()}
    return {**found, "onnxruntime": _kernels()}


def _words(package: str, pattern: str) -> set[str]:
    spec = find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    files = [file for place in places for file in Path(place).glob(pattern)]
    return {word.decode() for file in files for word in _WORD.findall(file.read_bytes())}


def _kernels() -> set[str]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kernels = state.get_all_opkernel_def()
    return {k.op_name for k in kernels if k.domain in ("", "ai.onnx") and k.provider == "CPUExecutionProvider"}


def _line(name: str, claimed: set[str], reached: set[str]) -> str:
    rest = sorted(claimed - reached)
    words = f"{name}: {len(claimed & reached)} of {len(claimed)} operators that it claims to know were reached"
    return f"{words}; not {', '.join(rest)}" if rest else words
