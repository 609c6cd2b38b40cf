"""The whole numbers that an operator says it gives, in an attribute."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from paddle_serving_app.program.operators import Value

_CONSTANTS = ("fill_constant", "full", "full_int_array", "fill_any_like", "full_like", "assign_value", "assign_value_")
_ATTRIBUTES = ("value", "str_value", "values", "int64_values", "int32_values", "bool_values")


def with_numbers(kind: str, attributes: Mapping[str, object], outputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """What an operator of Paddle gives, with the numbers that it says it gives."""
    if kind not in _CONSTANTS:
        return outputs
    numbers = [n for name in _ATTRIBUTES for n in _numbers(attributes.get(name))]
    if not numbers:
        return outputs
    least, largest = min(numbers), max(numbers)
    return tuple(replace(value, constant=(least, largest)) if value.is_whole else value for value in outputs)


def _numbers(value: object) -> Iterator[int]:
    if isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, bool | int):
        yield int(value)
    elif isinstance(value, float | str) and value and math.isfinite(float(value)):
        yield int(float(value))
