"""Which lines are upside down: what a classifier guesses, held against what is read.

A guess may be wrong at any probability; but what is read upside down is hardly ever a sure text.
"""

from collections.abc import Sequence

import numpy as np

from paddle_serving_app.ops.arrays import ImageU8

UPSIDE_DOWN = 0.9
"""Probability from which a line is turned by 180 degrees."""
SURE = 0.9
"""Mean probability of its characters from which a line whose direction was a close guess is not read the other way."""
ALIKE = 0.1
"""Two readings of a line whose scores differ by less, such as "16" and "91", are told apart by the lines around it."""
_LONGEST = 8
"""Width over height of what the direction is guessed from; classifiers hold 4, what is longer is squeezed."""


class Directions:
    """The directions of the lines of one picture.

    Args:
        chances: for each line, how probable it is that it is upside down.
    """

    def __init__(self, chances: Sequence[float]) -> None:
        self._chances = chances
        self.is_turned = [chance > UPSIDE_DOWN for chance in chances]
        """For each line whether to turn it before it is read."""
        self._is_page_turned = sum(self.is_turned) * 2 > len(chances)

    def doubted(self, scores: Sequence[float]) -> list[int]:
        """The lines that are to be read the other way, too.

        Args:
            scores: of what was read in each line, turned or not as `is_turned` says.
        """
        return [
            n
            for n, (chance, score) in enumerate(zip(self._chances, scores, strict=True))
            if (score < SURE and chance > 0.5) or (self.is_turned[n] and not self._is_page_turned)
        ]

    def is_other_better(self, n: int, score: float, other: float) -> bool:
        """Whether a doubted line is rather what was read the other way, given both scores."""
        if abs(other - score) < ALIKE:
            return self.is_turned[n] != self._is_page_turned
        return other > score


def middle(line: ImageU8) -> ImageU8:
    """Of a long line the middle part. Squeezed into the input of a classifier, one of four in small print looks turned.

    Returns:
        A view.
    """
    height, width = line.shape[:2]
    if width <= _LONGEST * height:
        return line
    return line[:, (width - _LONGEST * height) // 2 : (width + _LONGEST * height) // 2]


def turned(line: ImageU8) -> ImageU8:
    """The line turned by 180 degrees, freshly allocated."""
    return np.ascontiguousarray(np.rot90(line, 2))
