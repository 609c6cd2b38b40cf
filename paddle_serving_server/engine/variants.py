"""An A/B test: several models for one service, chosen by weight, by name, or so that a key always gets the same one."""

import hashlib
import math
import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_server.engine.compatible import objection
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.wrapper import Wrapper

_HASH_BYTES = 8


class VariantsEngine(Wrapper):
    """Several engines with the same inputs and outputs that answer as one."""

    def __init__(self, engines: Mapping[str, Engine], weights: Mapping[str, float], by_log_id: bool = False) -> None:
        """Begin a test.

        Args:
            engines: by tag; the first is the one whose signature counts.
            weights: by tag; how often each is chosen, compared with the others.
            by_log_id: whether the log_id is a key where no other is given.

        Raises:
            BadConfig: a weight is impossible.
        """
        super().__init__(next(iter(engines.values())))
        self._engines = dict(engines)
        self._by_log_id = by_log_id
        self._weights = dict.fromkeys(engines, 0.0)
        self.set_weights(weights)

    def check(self) -> None:
        """Compare inputs and outputs, once all engines are loaded.

        Raises:
            BadConfig: they differ.
        """
        first = next(iter(self._engines))
        for tag, engine in self._engines.items():
            if (reason := objection(self.inner.signature, engine.signature)) is not None:
                raise BadConfig(f"variant {tag!r} cannot stand in for {first!r}: {reason}")

    @property
    def engines(self) -> Mapping[str, Engine]:
        """By tag."""
        return self._engines

    @property
    def weights(self) -> dict[str, float]:
        """By tag, as they are now."""
        return dict(self._weights)

    def set_weights(self, weights: Mapping[str, object]) -> None:
        """Change them, for the requests that come from now on. Tags that are not named keep theirs.

        Raises:
            BadConfig: a tag is unknown, a weight is no number or below zero, or all are zero.
        """
        self._weights = self.checked(weights)
        self._tags = list(self._weights)
        self._sums = list(accumulate(self._weights.values()))

    def checked(self, weights: Mapping[str, object]) -> dict[str, float]:
        """All weights, if these were set; see `set_weights`."""
        found = dict(self._weights)
        for tag, weight in weights.items():
            if tag not in self._engines:
                raise BadConfig(f"no variant {tag[:64]!r}; there are {', '.join(map(repr, self._engines))}")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1e6:
                raise BadConfig(f"the weight of variant {tag!r} must be a number from 0 to 1000000, got {weight!r:.64}")
            found[tag] = float(weight)
        if not any(found.values()):
            raise BadConfig("the weights of all variants are 0; at least one must be more")
        return found

    def choose(self, context: Context) -> str:
        """The tag of the variant for a request.

        Raises:
            BadInput: it asks for one that is not there.
        """
        if context.answered_by in self._engines:
            return context.answered_by
        if wanted := context.variant:
            if wanted not in self._engines:
                raise BadInput(f"no variant {wanted[:64]!r}; there are {', '.join(map(repr, self._engines))}")
            return wanted
        key = context.variant_key or (str(context.log_id) if self._by_log_id and context.log_id else "")
        return by_key(key, self._weights) if key else self._by_weight()

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        return await self._chosen(context).run(arranged, outputs, context)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`: one variant."""
        return self._chosen(context).held(context)

    async def close(self) -> None:
        """See `interface.Engine.close`."""
        for engine in self._engines.values():
            await engine.close()

    def _chosen(self, context: Context) -> Engine:
        context.answered_by = tag = self.choose(context)
        return self._engines[tag]

    def _by_weight(self) -> str:
        return self._tags[bisect_right(self._sums, random.random() * self._sums[-1])]


def by_key(key: str, weights: Mapping[str, float]) -> str:
    """The variant for a key: the same one while the weights are the same, and when they change, few keys move.

    This is weighted rendezvous hashing: each variant draws a number from the key, and the highest wins. A key moves
    only to a variant whose weight has grown against the others, or away from one whose weight has shrunk.
    """
    best, best_score = "", -1.0
    for tag, weight in weights.items():
        drawn = hashlib.blake2b(f"{tag}\0{key}".encode(), digest_size=_HASH_BYTES).digest()
        part = (int.from_bytes(drawn, "big") + 0.5) / 2 ** (8 * _HASH_BYTES)
        score = -weight / math.log(part) if weight else 0.0
        if score > best_score and weight:
            best, best_score = tag, score
    return best
