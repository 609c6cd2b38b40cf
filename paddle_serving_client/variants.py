"""A/B tests: groups of equal servers, each with a tag and a share of the calls."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from paddle_serving_client.brpc_channel import BrpcChannel
from paddle_serving_client.errors import BadConfig


@dataclass(frozen=True, slots=True)
class Variant:
    """Servers that are equal to each other."""

    tag: str
    endpoints: tuple[str, ...]
    weight: int
    """Its share is this, over the sum of all weights."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            BadConfig: no endpoint, or a weight that is not a whole number of 0 or more.
        """
        if not self.endpoints:
            raise BadConfig(f"variant {self.tag!r} has no endpoint")
        if isinstance(self.weight, bool) or not isinstance(self.weight, int) or self.weight < 0:
            raise BadConfig(f"variant {self.tag!r}: variant_weight must be an int of 0 or more, got {self.weight!r}")


class Variants:
    """Connected variants, of which one is drawn for each call."""

    def __init__(self, variants: Sequence[Variant]) -> None:
        """Open nothing yet.

        Raises:
            BadConfig: an endpoint is not `host:port`, or no variant would ever be called.
        """
        self.channels = [(variant.tag, BrpcChannel(variant.endpoints)) for variant in variants]
        self._shares = list(accumulate(variant.weight for variant in variants))
        if not self._shares or self._shares[-1] == 0:
            weights = ", ".join(f"{variant.tag}={variant.weight}" for variant in variants)
            raise BadConfig(f"Zero normalized weight sum: no variant would ever be called ({weights})")

    def draw(self) -> tuple[str, BrpcChannel]:
        """The tag and the servers of the next call, at random by weight."""
        if len(self.channels) == 1:
            return self.channels[0]
        return random.choices(self.channels, cum_weights=self._shares)[0]

    def close(self) -> None:
        """Close what is idle; what is in use is closed when its call is done."""
        for _, channel in self.channels:
            channel.close()
