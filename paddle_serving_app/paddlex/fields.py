"""The fields of a request, checked as PaddleX's servers check them: the same words for what is wrong."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Problem: TypeAlias = dict[str, str]
Check: TypeAlias = Callable[[Any], "list[tuple[str, str, str]]"]
"""What is wrong with a value: (type, what stands behind its name, message)."""


class Refused(Exception):
    """A request that is not answered.

    Args:
        text: what the caller is told.
        status: as over HTTP.
    """

    def __init__(self, text: str, status: int = 422) -> None:
        super().__init__(text)
        self.status = status


def body_of(raw: bytes | memoryview) -> dict[str, Any]:
    """The JSON of a request.

    Raises:
        Refused: it is none, or no object.
    """
    if not len(raw):
        raise _refused([{"type": "missing", "loc": "body", "msg": "Field required"}])
    try:
        said = json.loads(bytes(raw), parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        at = getattr(exc, "pos", 0)
        problem = {"type": "json_invalid", "loc": f"body[{at}]", "msg": "JSON decode error"}
        raise _refused([problem]) from exc
    if not isinstance(said, dict):
        text = "Input should be a valid dictionary or object to extract fields from"
        raise _refused([{"type": "model_attributes_type", "loc": "body", "msg": text}])
    return said


def checked(said: Mapping[str, Any], known: Mapping[str, Check], needed: str) -> dict[str, Any]:
    """The fields that an operation knows; others are left out, as are nulls.

    Raises:
        Refused: one is missing, or not what it has to be.
    """
    problems: list[Problem] = []
    if needed not in said:
        problems.append({"type": "missing", "loc": f"body.{needed}", "msg": "Field required"})
    for name, check in known.items():
        if name in said and (said[name] is not None or name == needed):
            problems += [
                {"type": kind, "loc": f"body.{name}{behind}", "msg": text} for kind, behind, text in check(said[name])
            ]
    if problems:
        raise _refused(problems)
    return {name: said[name] for name in known if said.get(name) is not None}


def text(value: Any) -> list[tuple[str, str, str]]:
    """A text."""
    return [] if isinstance(value, str) else [("string_type", "", "Input should be a valid string")]


def truth(value: Any) -> list[tuple[str, str, str]]:
    """A truth value."""
    return [] if isinstance(value, bool) else [("bool_type", "", "Input should be a valid boolean")]


def whole(value: Any) -> list[tuple[str, str, str]]:
    """A whole number."""
    is_whole = not isinstance(value, bool) and isinstance(value, int | float) and value == int(value)
    return [] if is_whole else [("int_type", "", "Input should be a valid integer")]


def positive(value: Any) -> list[tuple[str, str, str]]:
    """A whole number above 0."""
    return whole(value) or ([] if value > 0 else [("greater_than", "", "Input should be greater than 0")])


def number(value: Any) -> list[tuple[str, str, str]]:
    """A number."""
    if isinstance(value, str):
        what = "Input should be a valid number, unable to parse string as a number"
        return [("float_parsing", "", what)]
    is_number = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    return [] if is_number else [("float_type", "", "Input should be a valid number")]


def threshold(value: Any) -> list[tuple[str, str, str]]:
    """A number, or one for each class."""
    if isinstance(value, dict) and all(str(key).isdecimal() and not number(item) for key, item in value.items()):
        return []
    kind = "dict_type" if not isinstance(value, dict) else "int_parsing"
    plain = [(k, ".float", t) for k, _, t in number(value)]
    return plain and [*plain, (kind, ".dict[int,float]", "Input should be a valid dictionary")]


def any_threshold(value: Any) -> list[tuple[str, str, str]]:
    """A number, a list, or a mapping with "default" and classes; the task says what does not fit."""
    return [] if isinstance(value, dict | list) else number(value)


def file_type(value: Any) -> list[tuple[str, str, str]]:
    """0 or 1."""
    return [] if value in (0, 1) and not isinstance(value, bool) else [("literal_error", "", "Input should be 0 or 1")]


COMMON: Final[Mapping[str, Check]] = {"visualize": truth, "logId": text}
"""Fields of every operation."""


def _refused(problems: list[Problem]) -> Refused:
    return Refused(json.dumps(problems))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
