"""The first runs of a model that was just loaded: whether it answers numbers, and what it takes.

They warm it up as well: a library prepares itself for a shape when it first meets it, and no caller waits for that.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paddle_serving_app import plain_feed, weights
from paddle_serving_app.backend import Outputs
from paddle_serving_app.choosing import agreement, samples
from paddle_serving_app.choosing.samples import Style
from paddle_serving_app.made_up_feeds import MadeUpFeeds
from paddle_serving_app.program import reader
from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadInput, BadModel
from paddle_serving_client.message import describe

logger = logging.getLogger(__name__)

_FINITE_TRIES = 3
_WARM_UP_S = 1.0
"""For batches of more than one row; it ends with the run that is under way."""


class WrongType(BackendFailed):
    """What came out of a library is not of the type that it had said."""


@dataclass(frozen=True, slots=True)
class FirstRuns:
    """What is tried of one model."""

    folder: Path
    """Its files, readable."""
    signature: Signature
    feeds: MadeUpFeeds
    run: Callable[[Arranged], Outputs]
    """As `Model.run`."""

    def warm_up(self) -> None:
        """Run once, so that the first caller does not wait; a model that answers no numbers is refused."""
        outputs = None
        for guess, samples_ in self.feeds.even:
            try:
                outputs = self.run(plain_feed.arranged(self.signature.inputs, samples_))
            except WrongType as exc:
                raise BadModel(f"{self.folder}: {exc}") from exc
            except (BackendFailed, BadInput) as exc:
                logger.debug("%s: %s does not fit: %s", self.folder, samples_, exc)
                continue
            self.feeds.fitting, self.feeds.fitting_samples = guess, samples_
            break
        if self.feeds.fitting is None or outputs is None:
            logger.warning("%s goes live untried: no made-up input fits %s", self.folder, self.signature.inputs)
            return
        for output, array in zip(self.signature.outputs, outputs.arrays, strict=True):
            if dtype.code_of(array.dtype) == dtype.UNKNOWN:
                kind = "text of fixed width" if array.dtype.kind in "SU" else array.dtype.name
                raise BadModel(f"{self.folder}: output {output.alias!r} is {kind}, which cannot be served")
        if self._without_numbers(outputs) is not None:
            self._look_for_numbers(outputs)

    def try_empty(self) -> Signature:
        """The signature, with which inputs may be empty: what is joined with others right away, if the library can."""
        inputs = list(self.signature.inputs)
        if self.feeds.fitting is None or not self.feeds.has_open:
            return self.signature
        if (found := reader.find(self.folder)) is None:
            return self.signature
        joined = {value.name for step in found.operators if step.common_kind == "concat" for value in step.inputs}
        for k, spec in enumerate(inputs):
            feed = found.feeds.get(spec.name)
            if -1 not in spec.shape[1:] or feed is None or feed.name not in joined:
                continue
            arrays = list(self.feeds.make(self.feeds.fitting, 1, 0).arrays)
            inner = tuple(0 if dim == -1 else dim for dim in spec.shape[1:])
            arrays[k] = np.empty((*arrays[k].shape[:1], *inner), arrays[k].dtype)
            with contextlib.suppress(BackendFailed):
                self.run(Arranged(tuple(arrays), {}))
                inputs[k] = replace(spec, may_be_empty=True)
        return replace(self.signature, inputs=tuple(inputs))

    def try_batches(self, max_rows: int) -> None:
        """Run each size of batch once: a library prepares itself for a shape when it first meets it."""
        if not self.signature.can_join:
            return
        until = time.monotonic() + _WARM_UP_S
        for rows in range(2, max_rows + 1):
            if time.monotonic() > until or (arranged := self.feeds.sample(rows)) is None:
                return
            with contextlib.suppress(BackendFailed):  # whoever sends such a batch is told
                self.run(arranged)

    def _look_for_numbers(self, outputs: Outputs) -> None:
        """No number may come of damage, or of a made-up input that the model is not made for: told apart here."""
        silent = set(range(len(outputs.arrays)))
        tries: list[tuple[int, Style]] = [(seed, "plain") for seed in range(_FINITE_TRIES)]
        for seed, style in [*tries, *((0, style) for style in samples.STYLES[1:])]:
            with contextlib.suppress(BackendFailed):
                outputs = self.run(self.feeds.make(self.feeds.fitting or self.feeds.guesses[0], 1, seed, (style,)))
                if self._without_numbers(outputs) is None:
                    return
                silent = {k for k in silent if not agreement.has_numbers(outputs.arrays[k])}
        if silent:
            output, array = self.signature.outputs[min(silent)], outputs.arrays[min(silent)]
            what = f"output {output.alias!r} ({describe(array)}) is not finite"
        else:
            what = f"output {self._without_numbers(outputs)} is not finite"
        if (damage := weights.damage(self.folder, is_silent=bool(silent))) is not None:
            raise BadModel(f"{self.folder}: {what}: {damage}")
        logger.warning(
            "%s: %s with each made-up input, though its weights are sound: those that it is made for are others",
            self.folder,
            what,
        )

    def _without_numbers(self, outputs: Outputs) -> str | None:
        """An output that holds NaN, or nothing finite. Some infinities are normal: scores that are masked out."""
        for output, array in zip(self.signature.outputs, outputs.arrays, strict=True):
            if dtype.is_inexact(array.dtype) and array.size and (np.isnan(array).any() or not np.isfinite(array).any()):
                return f"{output.alias!r} ({describe(array)})"
        return None
