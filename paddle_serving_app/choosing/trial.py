"""One candidate, tried in a process of its own, so that a crash, a hang or a leak of its library hurts nobody.

    python -m paddle_serving_app.choosing.trial REPLY_FD PARENT    (started by `contestant`, whose process PARENT is)

Commands come as lines of JSON on stdin; each is answered by one line on the descriptor, where nothing that a library
prints can get between. Tensors lie in .npz files whose names the commands carry.

    {"do": "load", "folder": ..., "options": {...}}         -> {"joins": whether the inputs have a batch axis,
                                                               "onednn": whether it is used}
    {"do": "sample", "rows": 2, "seed": 1, "feed": FILE}    -> {}; a made-up feed is in FILE
    {"do": "probe", "styles": [...], "seed": 1, "feed": FILE}
                                                            -> {"tells": whether the model answers it}; likewise
    {"do": "shake", "feed": FILE, "seed": 1, "to": FILE}    -> {}; the same with other last digits
    {"do": "run", "feed": FILE, "answer": FILE or "", "runs": 9, "seconds": 0.1}
                                                            -> {"ms": [...]}; the outputs of the last run are in FILE
    whatever went wrong                                     -> {"error": why}
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app import library_error, tensor_file
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import agreement
from paddle_serving_app.choosing.samples import Style
from paddle_serving_app.model import Model
from paddle_serving_client.errors import BackendFailed
from paddle_serving_client.message import Array

_PR_SET_PDEATHSIG = 1
_SHAKING = {2: 2e-3, 4: 1e-5, 8: 1e-12}
"""By the bytes of a float, as a part of the value: more than libraries differ by, and little for a model."""
_FIRST_TO_GO = "1000"
"""For the kernel, when memory ends: this process, not the server."""


class Trial:
    """A candidate and what it is told."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._folder = ""

    def do(self, command: dict[str, Any]) -> dict[str, object]:
        """Follow one command."""
        match command["do"]:
            case "load":
                self._folder = command["folder"]
                self._model = Model.load(self._folder, ModelOptions(**command["options"]))
                return {"joins": self._model.signature.can_join, "onednn": self._model.plan.candidate.onednn}
            case "sample":
                return self._sample(command["rows"], command["seed"], Path(command["feed"]))
            case "probe":
                return {"tells": self._probe(command["styles"], command["seed"], Path(command["feed"]))}
            case "shake":
                return self._shake(Path(command["feed"]), command["seed"], Path(command["to"]))
            case _:
                return {"ms": self._run(Path(command["feed"]), command["answer"], command["runs"], command["seconds"])}

    def words_for(self, error: Exception) -> str:
        """What went wrong, without what everybody knows: which model, which library, and where the folder is."""
        words = library_error.text_of(error)
        if words.startswith(f"{self._folder} cannot be loaded. "):
            words = words.partition(" cannot be loaded. ")[2].partition(": ")[2]
        return words.replace(f"{self._folder}/", "")

    def _sample(self, rows: int, seed: int, file: Path) -> dict[str, object]:
        assert self._model is not None
        arranged = self._model.sample(rows, seed)
        if arranged is None:
            return {"error": "no made-up input fits the model"}
        tensor_file.write(file, arranged.arrays, arranged.lods)
        return {}

    def _probe(self, styles: Sequence[Style], seed: int, file: Path) -> bool:
        """Make a feed of unusual values; one that the model refuses, or has no number for, tells nothing."""
        assert self._model is not None
        if (arranged := self._model.sample(len(styles), seed, styles)) is None:
            return False
        try:
            outputs = self._model.run(arranged)
        except BackendFailed:
            return False
        tensor_file.write(file, arranged.arrays, arranged.lods)
        return all(map(agreement.has_numbers, outputs.arrays))

    def _shake(self, feed: Path, seed: int, to: Path) -> dict[str, object]:
        arranged = tensor_file.read(feed)
        random = np.random.default_rng(seed)
        tensor_file.write(to, [_shaken(array, random) for array in arranged.arrays], arranged.lods)
        return {}

    def _run(self, feed: Path, answer: str, runs: int, seconds: float) -> list[float]:
        assert self._model is not None
        arranged = tensor_file.read(feed)
        taken: list[float] = []
        until = time.monotonic() + seconds
        while len(taken) < runs and (not taken or time.monotonic() < until):
            started = time.perf_counter()
            outputs = self._model.run(arranged)
            taken.append((time.perf_counter() - started) * 1000)
        if answer:
            tensor_file.write(Path(answer), outputs.arrays, {})
        return taken


def _shaken(array: Array, random: np.random.Generator) -> Array:
    """Floats with other last digits; anything else as it is."""
    if array.dtype.kind != "f":
        return array
    step = _SHAKING[array.dtype.itemsize]
    return np.asarray(array * (1 + random.choice((-step, step), array.shape)), array.dtype)


def _be_expendable(parent: int) -> None:
    """End with the process that started this one, leave no core file, and be the first to go when memory ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _end_with_parent()
    os.register_at_fork(after_in_child=_end_with_parent)  # it is stopped with this one, and so would stay for ever
    if os.getppid() != parent:  # it has ended before it was said to whom this one belongs
        sys.exit(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):  # not on Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(argv: list[str]) -> int:
    """Follow commands until there are no more."""
    _be_expendable(int(argv[1]))
    trial = Trial()
    with os.fdopen(int(argv[0]), "w") as replies:
        for line in sys.stdin:
            try:
                reply = trial.do(json.loads(line))
            except Exception as exc:
                reply = {"error": trial.words_for(exc)}
            print(json.dumps(reply), file=replies, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
