"""Made-up feeds of a model: arrays of the shapes and types that its inputs have, with values of any style."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_serving_app import plain_feed
from paddle_serving_app.choosing import samples
from paddle_serving_app.choosing.samples import Limits, Style
from paddle_serving_app.program import reader
from paddle_serving_app.signature import Arranged, Input, Sample
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.model_config import ModelSpec

_IMAGE_AXES = 4


@dataclass(frozen=True, slots=True)
class Guess:
    """Sizes for the dimensions that a model leaves open."""

    height: int
    width: int
    other: int


_GUESSES = (
    Guess(224, 224, 64),
    Guess(64, 64, 32),
    Guess(32, 32, 16),
    Guess(48, 320, 128),
    Guess(32, 320, 8),
    Guess(640, 640, 2),
    Guess(16, 16, 1),
)


class MadeUpFeeds:
    """What can be made up for one model."""

    fitting: Guess | None = None
    """Sizes that the model took, once one is known."""
    fitting_samples: tuple[Sample, ...] = ()
    """What it took of those sizes: a tensor for each input."""

    def __init__(self, folder: Path, spec: ModelSpec, inputs: Sequence[Input]) -> None:
        """`inputs` are in the order of `spec`; the model in `folder` says which integers they take."""
        self._folder = folder
        self._inputs = tuple(inputs)
        self._hints = tuple(feed.shape for feed in spec.feeds)
        self._limits: Limits | None = None

    @property
    def has_open(self) -> bool:
        """Whether a dimension behind the first is open in model and config."""
        return any(-1 in self._hinted(k)[1:] for k in range(len(self._inputs)))

    @property
    def guesses(self) -> Sequence[Guess]:
        """All, the likeliest first; or one where no dimension but the batch is open."""
        return _GUESSES if self.has_open else _GUESSES[:1]

    def sample(
        self, rows: int = 1, seed: int = 0, styles: Sequence[Style] = ("plain",), size: int | None = None
    ) -> Arranged | None:
        """As `Model.sample`."""
        guess = self.fitting if self.fitting is None or size is None else self.guesses[size]
        return None if guess is None else self.make(guess, rows, seed, styles)

    def make(self, guess: Guess, rows: int, seed: int, styles: Sequence[Style] = ("plain",)) -> Arranged:
        """One of sizes that the model may not take."""
        random = np.random.default_rng(seed)
        shapes = [_filled(self._hinted(k), guess, rows) for k in range(len(self._inputs))]
        arrays = tuple(
            self._values(random, i, shape, styles if i.shape[:1] == (-1,) else styles[:1])
            for i, shape in zip(self._inputs, shapes, strict=True)
        )
        lods: dict[int, Lod] = {k: ((0, shapes[k][0]),) for k, i in enumerate(self._inputs) if i.is_lod}
        return Arranged(arrays, lods)

    @property
    def even(self) -> Iterator[tuple[Guess, tuple[Sample, ...]]]:
        """Feeds of one row, or one sequence, whose tensors are one value each, and of what sizes they are."""
        has_whole = any((kind := dtype.numpy_of(i.elem_type)) is not None and kind.kind in "iu" for i in self._inputs)
        for guess in self.guesses:
            shapes = [_filled(self._hinted(k), guess, self._rows(k)) for k in range(len(self._inputs))]
            for whole in plain_feed.WHOLE[: 2 if has_whole else 1]:
                pairs = zip(self._inputs, shapes, strict=True)
                yield guess, tuple(Sample(shape, plain_feed.value_of(i.elem_type, whole)) for i, shape in pairs)

    def _rows(self, k: int) -> int:
        return plain_feed.SEQUENCE if self._inputs[k].is_lod else 1

    def _hinted(self, k: int) -> tuple[int, ...]:
        """The shape of an input, with open dimensions from the config where that names them all."""
        shape, hint = self._inputs[k].shape, self._hints[k]
        if len(hint) == len(shape) - 1 and min(hint, default=0) > 0 and not self._inputs[k].is_lod:
            return shape[:1] + tuple(h if dim == -1 else dim for dim, h in zip(shape[1:], hint, strict=True))
        return shape

    def _values(
        self, random: np.random.Generator, spec: Input, shape: tuple[int, ...], styles: Sequence[Style]
    ) -> Array:
        kind = dtype.numpy_of(spec.elem_type)
        if kind is None:
            raise BadModel(f"input {spec.alias!r} is {dtype.name_of(spec.elem_type)}, which cannot be served")
        if len(styles) == 1:
            return self._of_style(random, spec, kind, shape, styles[0])
        rows = [self._of_style(random, spec, kind, shape[1:], styles[k % len(styles)]) for k in range(shape[0])]
        return np.stack(rows)

    def _of_style(
        self,
        random: np.random.Generator,
        spec: Input,
        kind: "np.dtype[np.generic]",
        shape: tuple[int, ...],
        style: Style,
    ) -> Array:
        if kind.kind not in "iu" or style == "plain":
            return samples.values(random, kind, shape, style)
        if self._limits is None:
            self._limits = samples.limits_of(reader.find(self._folder))
        return samples.integers(random, kind, shape, style, self._limits.get(spec.name, (0, 1)))


def _filled(shape: tuple[int, ...], guess: Guess, rows: int) -> tuple[int, ...]:
    """A shape without open dimensions: axis 0 is the batch, of four axes the next open ones are height and width."""
    sizes = iter((guess.height, guess.width, guess.other) if len(shape) == _IMAGE_AXES else ())
    inner = tuple(next(sizes, guess.other) if dim == -1 else dim for dim in shape[1:])
    return tuple(rows if dim == -1 else dim for dim in shape[:1]) + inner
