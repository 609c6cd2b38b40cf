"""Who is right: all get the same feeds, and whose answers differ from those of the reference is out."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from paddle_serving_app import tensor_file
from paddle_serving_app.choosing import agreement, samples
from paddle_serving_app.choosing.contestant import Contestant
from paddle_serving_app.choosing.field import Field, is_reference
from paddle_serving_app.choosing.samples import Style
from paddle_serving_client.message import Array

_PATIENCE_PART = 0.3
"""Part of the time that one candidate may take to answer, before it counts as hanging."""
_SHAKES = 4
"""How often it is looked what other last digits change: a label between two equal scores falls to either side."""
_JOINED_STYLES: Sequence[Sequence[Style]] = (("signed", "wide"), ("whole", "plain"))
"""Of the rows of a feed, where rows do not see each other."""


class _Probe(NamedTuple):
    """A feed whose answers are compared."""

    feed: Path
    may_be_shaken: bool = True
    """Whether its last digits say nothing: not where equal values are what it is for."""


class Judge:
    """Knows the feeds, and the answers of the reference to each of them."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._probes: list[_Probe] = []
        """What is compared; the first two are timed too."""
        self._answers: list[list[Array]] = []
        """What the reference gives for each of them."""
        self._shaken: dict[Path, list[list[Array]]] = {}
        """What it gives for one whose last digits are others, where that was asked for."""

    def reference(self) -> Contestant | None:
        """Who says what is right: Paddle without oneDNN, else the first that can; with its answers to all probes."""
        field = self._field
        for rival in sorted(field.inside(), key=lambda r: not is_reference(r.candidate)):
            self._probes = [_Probe(field.feed(rows)) for rows in (2, 1)]
            is_fed = all(
                field.ask(rival, {"do": "sample", "rows": rows, "seed": rows, "feed": str(field.feed(rows))})
                for rows in (1, 2)
            )
            if is_fed and (answers := self._answer(rival, field.effort.seconds)) is not None:
                self._answers = answers
                return self._probe(rival)
        return None

    def check(self, rival: Contestant, reference: Contestant) -> None:
        """Take out who gives other outputs than the reference, by more than the tolerance."""
        patience = max(_PATIENCE_PART * self._field.effort.seconds, 10 * reference.first_ms / 1000)
        if (answers := self._answer(rival, patience)) is None:
            return
        tolerance = agreement.TOLERANCE[self._field.options.precision]
        distance = max(self._distance(k, answer, tolerance, reference) for k, answer in enumerate(answers))
        if distance > tolerance:
            how = (
                "gives other outputs than"
                if math.isinf(distance)
                else f"differs by {distance:.2g} of the largest value from"
            )
            rival.drop(f"{how} {reference.candidate.library}; {tolerance:g} is allowed")

    @property
    def gives_rows(self) -> bool:
        """Whether each output of the reference has a row for each of the two rows that it was given."""
        return all(answer.ndim > 0 and len(answer) == 2 for answer in self._answers[0])

    def _probe(self, reference: Contestant) -> Contestant | None:
        """Have the reference find feeds that can show a difference, and answer them."""
        styles = _JOINED_STYLES if reference.joins else [[style] for style in samples.STYLES[1:]]
        for number, row_styles in enumerate(styles):
            feed = self._field.scratch / f"probe-{number}.npz"
            command: dict[str, object] = {"do": "probe", "styles": row_styles, "seed": number, "feed": str(feed)}
            if self._field.ask(reference, command) and reference.reply["tells"]:
                answer = self._field.answer_to(reference, feed, self._field.effort.seconds)
                if answer is not None:
                    self._probes.append(_Probe(feed, "whole" not in row_styles))
                    self._answers.append(answer)
            if not reference.is_in:  # it did not survive that one: it begins again, and others do not get it
                self._field.all.remove(reference)
                self._field.start([reference.candidate], math.inf)
                reference = self._field.all[-1]
                if not reference.is_in or self._answer(reference, self._field.effort.seconds) is None:
                    return None
        return reference

    def _distance(self, k: int, answer: list[Array], tolerance: float, reference: Contestant) -> float:
        """How far an answer is off; where the last digits of the inputs decide, both may be right."""
        expected, precision = self._answers[k], self._field.options.precision
        distance = agreement.distance(answer, expected, precision, by_row=reference.joins)
        if distance > tolerance and self._probes[k].may_be_shaken:
            shaken = self._shaken_answers(self._probes[k].feed, reference)
            return agreement.distance(answer, expected, precision, by_row=reference.joins, shaken=shaken)
        return distance

    def _shaken_answers(self, feed: Path, reference: Contestant) -> list[list[Array]]:
        if feed not in self._shaken:
            self._shaken[feed] = []
            to = self._field.scratch / "shaken.npz"
            for seed in range(_SHAKES):
                if self._field.ask(reference, {"do": "shake", "feed": str(feed), "seed": seed, "to": str(to)}):
                    answer = self._field.answer_to(reference, to, self._field.effort.seconds)
                    self._shaken[feed] += [] if answer is None else [answer]
        return self._shaken[feed]

    def _answer(self, rival: Contestant, patience: float) -> list[list[Array]] | None:
        """Its outputs for all probes, and a first impression of its speed; None: it is out."""
        answers = []
        for rows in (2, 1):
            file = self._field.scratch / "answer.npz"
            ms = self._field.run(rival, rows, patience, runs=2, seconds=self._field.effort.turn_s, answer=str(file))
            if ms is None:
                return None
            rival.first_ms = ms
            answers.append(list(tensor_file.read(file).arrays))
        for probe in self._probes[2:]:
            if (answer := self._field.answer_to(rival, probe.feed, patience)) is None:
                return None
            answers.append(answer)
        return answers
