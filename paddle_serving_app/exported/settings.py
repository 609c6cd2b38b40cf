"""Settings of a step or task, taken out one by one; what is left over is not known, and refused."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from paddle_serving_app.exported.description import Step
from paddle_serving_app.mar.values import shown
from paddle_serving_client.errors import BadConfig

_NOT_GIVEN = object()


class Settings:
    """Those of one step, or of one part of a file.

    Every method takes one out, checked.

    Raises:
        BadConfig: it is not what it has to be; the message says where, what came, and what was expected.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._left = dict(values)
        self.where = where

    @classmethod
    def of(cls, step: Step) -> Self:
        """Those of a step."""
        return cls(step.settings, step.where)

    def __contains__(self, name: str) -> bool:
        return self._left.get(name) is not None

    def raw(self, name: str, default: Any = None) -> Any:
        """Whatever it is; None, also where it is written, is the default."""
        value = self._left.pop(name, None)
        return default if value is None else value

    def ignore(self, *names: str) -> None:
        """Leave out what has no effect on an answer."""
        for name in names:
            self._left.pop(name, None)

    def whole(self, name: str, default: Any = _NOT_GIVEN, least: int = 0, most: int = 1 << 31) -> int:
        """A whole number."""
        value = self._given(name, default)
        if isinstance(value, float) and value == int(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise BadConfig(f"{self.where}: {name} must be a whole number from {least} to {most}, got {shown(value)}")
        return value

    def number(self, name: str, default: Any = _NOT_GIVEN, least: float = -math.inf) -> float:
        """A finite number."""
        return number(self._given(name, default), f"{self.where}: {name}", least)

    def truth(self, name: str, default: bool = False) -> bool:
        """A truth value; 0 and 1 are some."""
        value = self.raw(name, default)
        if value not in (True, False):
            raise BadConfig(f"{self.where}: {name} must be true or false, got {shown(value)}")
        return bool(value)

    def word(self, name: str, default: str, among: Sequence[str]) -> str:
        """A word among some."""
        value = self.raw(name, default)
        if value not in among:
            raise BadConfig(f"{self.where}: {name} is one of {', '.join(map(repr, among))}, got {shown(value)}")
        return str(value)

    def numbers(self, name: str, count: int, default: Any = _NOT_GIVEN) -> list[float]:
        """So many finite numbers; a single one stands for all of them."""
        value = self._given(name, default)
        if not isinstance(value, list):
            value = [value] * count
        if len(value) != count:
            raise BadConfig(f"{self.where}: {name} must be {count} numbers, got {shown(value)}")
        return [number(item, f"{self.where}: {name}") for item in value]

    def sizes(self, name: str, default: Any = _NOT_GIVEN) -> tuple[int, int]:
        """Two whole numbers from 1, or one for both."""
        value = self._given(name, default)
        pair = [value, value] if isinstance(value, int) else value
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(v) is int and 0 < v < 65536 for v in pair):
            raise BadConfig(f"{self.where}: {name} must be a length in pixels, or two, got {shown(value)}")
        return pair[0], pair[1]

    def end(self) -> None:
        """Refuse what nobody has taken out: it might change the answer."""
        if self._left:
            names = ", ".join(map(repr, self._left))
            raise BadConfig(f"{self.where}: {names} is not known here; nothing is answered that might be wrong")

    def _given(self, name: str, default: Any) -> Any:
        value = self.raw(name, default)
        if value is _NOT_GIVEN:
            raise BadConfig(f"{self.where}: {name} is missing")
        return value


def number(value: object, where: str, least: float = -math.inf) -> float:
    """A finite number, also as the text "1./255." or "1e-3", which YAML does not read as one.

    Raises:
        BadConfig: it is none.
    """
    found = _fraction(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found) or found < least:
        more = f" of at least {least:g}" if least > -math.inf else ""
        raise BadConfig(f"{where} must be a number{more}, got {shown(value)}")
    return float(found)


def _fraction(text: str) -> float | None:
    """`A` or `A/B`; exports write the scale of a picture so."""
    above, slash, below = text.partition("/")
    try:
        return float(above) / (float(below) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        return None
