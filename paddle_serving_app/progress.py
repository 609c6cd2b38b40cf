"""What is being done to load a model, for those who wait for it."""

from collections.abc import Callable

_told: Callable[[str], None] | None = None


def tell(told: Callable[[str], None]) -> None:
    """Have somebody told of every step that follows in this process."""
    global _told
    _told = told


def step(doing: str) -> None:
    """Something that takes its time begins; words for callers, without paths."""
    if _told is not None:
        _told(doing)
