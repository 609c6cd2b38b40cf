"""Which of a model's numbered versions are served: as words of a caller, as a value, as a choice among folders."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paddle_serving_client.errors import BadConfig

MOST_VERSIONS: Final = 32
"""Of one model, at once."""
_EXPECTED: Final = '"latest", {"latest": N}, "all" or numbers as [1, 3]'


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPolicy:
    """Which versions; by default the newest, which a newer one replaces between two requests."""

    latest: int = 1
    """So many of the highest numbers; 0: it is not by their count."""
    every: bool = False
    """All there are."""
    numbers: tuple[int, ...] = ()
    """These."""
    apart: bool = False
    """Whether the newest one alone has a deployment of its own, too: a newer one may differ from it in everything."""

    @property
    def follows(self) -> bool:
        """Whether there is but one version, and a newer one with the same inputs and outputs takes its place."""
        return self.latest == 1 and not self.every and not self.numbers and not self.apart

    def chosen(self, there: Sequence[int], refused: Collection[int] = ()) -> list[int]:
        """The numbers to serve.

        Args:
            there: the numbers of the folders, highest first.
            refused: those that could not be loaded: they do not count for `latest`.
        """
        if self.numbers:
            return list(self.numbers)
        if self.every:
            return list(there[:MOST_VERSIONS])
        return [number for number in there if number not in refused][: self.latest]

    @property
    def as_json(self) -> object:
        """The opposite of `parse`."""
        if self.numbers:
            return list(self.numbers)
        return "all" if self.every else {"latest": self.latest}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "VersionPolicy":
        """The opposite of `dataclasses.asdict`."""
        return cls(**{**values, "numbers": tuple(values["numbers"])})

    @classmethod
    def parse(cls, value: object) -> "VersionPolicy":
        """What a caller has written.

        Raises:
            BadConfig: it is none of the ways to say it.
        """
        match value:
            case "latest":
                return cls()
            case "all":
                return cls(latest=0, every=True)
            case {"latest": int(count), **others} if not others and 1 <= count <= MOST_VERSIONS and count is not True:
                return cls(latest=count)
            case list() if _are_numbers(value):
                return cls(latest=0, numbers=tuple(dict.fromkeys(value)))
        raise BadConfig(f"versions: expected {_EXPECTED}, got {str(value)[:64]!r}")


def _are_numbers(values: list[object]) -> bool:
    if not 1 <= len(values) <= MOST_VERSIONS:
        return False
    return all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in values)
