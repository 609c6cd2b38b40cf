"""All ways to run a model, tried against each other: who can, who is right, who is fast.

Every candidate is loaded by a process of its own (`trial`), which can crash, hang or eat memory without harm. All get
the same made-up inputs; whose outputs differ from those of Paddle without oneDNN by more than the tolerance is out
(`judge`). Then they take turns (`race`), and the best of them becomes the plan (`ranking`).
"""

import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from paddle_serving_app import backends, paddle_to_onnx, progress, saved_model_files, tensorflow_to_onnx
from paddle_serving_app.backend import ModelOptions, Plugin
from paddle_serving_app.choosing import contestant, objections, ranking
from paddle_serving_app.choosing.effort import Effort
from paddle_serving_app.choosing.field import Field
from paddle_serving_app.choosing.judge import Judge
from paddle_serving_app.choosing.plan import Candidate, Plan, Skipped
from paddle_serving_app.choosing.race import Race
from paddle_serving_client import model_config, plugins
from paddle_serving_client.errors import BadModel, MissingLibrary

logger = logging.getLogger(__name__)

ORDER = ("paddle", "onnxruntime", "openvino")
"""Which library is asked first where nothing was measured; those that are not named come after them."""


def measure(
    folder: Path, options: ModelOptions, effort: Effort, command: Sequence[str] = contestant.COMMAND
) -> Plan | None:
    """Try every candidate and make a plan.

    Args:
        folder: the model folder.
        options: what was asked for, without a backend; a number of threads is kept.
        effort: how long, and how closely.
        command: what a candidate is tried by.

    Returns:
        None where no candidate could be tried; the log says why.
    """
    if sys.platform == "win32":
        return None
    logger.info("%s: measuring what runs it fastest, for about %.0f s", folder, effort.seconds)
    progress.step(f"measuring what runs it fastest, for about {effort.seconds:.0f} s")
    with tempfile.TemporaryDirectory(prefix="paddle_serving_measuring_") as scratch, contextlib.ExitStack() as stack:
        field = Field(folder.resolve(), options, effort, command, Path(scratch))
        stack.callback(field.end)
        return _Contest(field).hold()


def in_order(names: Sequence[str]) -> list[str]:
    """Backends in the order in which they are asked where nothing was measured."""
    return [*(name for name in ORDER if name in names), *(name for name in names if name not in ORDER)]


class _Contest:
    """From the start of the candidates' processes to the plan."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._skipped: list[Skipped] = []
        """Who was not even started."""

    def hold(self) -> Plan | None:
        """Have them compete."""
        field = self._field
        self._convert()
        until = time.monotonic() + field.effort.seconds
        field.start(list(self._candidates()), until)
        judge = Judge(field)
        if (reference := judge.reference()) is None:
            for skipped in (*self._skipped, *field.out()):
                logger.warning("%s: %s cannot be tried: %s", field.folder, skipped.candidate, skipped.reason)
            return None
        for rival in field.inside(but=[reference]):
            judge.check(rival, reference)
        Race(field, judge, until).run(reference)
        return ranking.plan(field, reference, self._skipped)

    def _convert(self) -> None:
        """Have the ONNX form of a model made before anybody is waited for; who cannot use it says why."""
        with contextlib.suppress(BadModel, MissingLibrary):
            if saved_model_files.find(self._field.folder) is not None:
                tensorflow_to_onnx.onnx_of(self._field.folder)
            elif paddle_to_onnx.refuses(self._field.folder) is None:
                paddle_to_onnx.onnx_of(self._field.folder)

    def _candidates(self) -> Iterator[Candidate]:
        field = self._field
        spec = model_config.read(field.folder)
        for name in in_order(plugins.names(backends)):
            plugin = cast(Plugin, plugins.load(backends, name))
            reason = plugin.missing() or plugin.refuses(field.folder, spec)
            reason = reason or "; ".join(objections.against(name, field.folder))
            if reason:
                self._skipped.append(Skipped(Candidate(name, False, field.cores), reason))
                continue
            if name == "paddle" and field.options.onednn and field.options.gpu_id is None:
                with_onednn = Candidate(name, True, field.cores)
                if reason := "; ".join(objections.against(name, field.folder, onednn=True)):
                    self._skipped.append(Skipped(with_onednn, reason))
                else:
                    yield with_onednn
            yield Candidate(name, False, field.cores)
