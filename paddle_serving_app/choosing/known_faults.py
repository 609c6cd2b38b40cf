"""What libraries are known to compute wrongly, without a word: operators, with the element types and values.

`known_faults.json` beside this file is written by `python -m tests.compare.operators --write`, which runs operators by
every library against Paddle without oneDNN (an ONNX model by OpenVINO against ONNX Runtime). A fault is about

    form       of the program: `paddle2`, `paddle3`, `onnx`; each goes another way into a library
    library    a backend's name, or `paddle+onednn`
    takes      element types that the operator works on, of constants that stand in the program not
    gives      element types of its results
    values     `any`: ordinary ones are wrong. `large`: only whole numbers beyond 2**24, or that do not fit in 32 bits.
               `beyond`: only those that do not fit in 32 bits. `shape`: only the result's shape. `extreme`: only floats
               of 100,000. `ties`: only the places of equal ones. `overflow`: only where narrow integers run over.
               `special`: only with NaN, infinities, denormals
    when       values of an attribute that were tried, all of which were wrong; others were right
    unless     values of an attribute that were tried, and were right; others were wrong
    fractional names of attributes: wrong where one of them is not a whole number

The choice looks at the first three kinds of values. The others are left to the samples: any of them shows a shape, and
nearly every model has operators that differ in the rest, which few meet.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_serving_app import model_files
from paddle_serving_app.choosing import whole_numbers
from paddle_serving_app.program import reader
from paddle_serving_app.program.operators import Operator, Program
from paddle_serving_client import dtype

FILE = Path(__file__).with_suffix(".json")
DECIDING = ("any", "large", "beyond")
"""Which values count for the choice."""

_MOST_REASONS = 4
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Fault:
    """An operator that a library computes wrongly."""

    form: str
    library: str
    operators: tuple[str, ...]
    """More than one: only a program that has them all was wrong, and it is open which one it was."""
    takes: frozenset[str]
    gives: frozenset[str]
    values: str
    example: str
    """`-0.0 instead of -0.1`."""
    when: Mapping[str, tuple[object, ...]]
    unless: Mapping[str, tuple[object, ...]]
    fractional: tuple[str, ...]


def found_in(folder: Path, backend: str, *, onednn: bool = False) -> list[str]:
    """Why a library is known to be wrong for the model in a folder; empty where nothing is known.

    Args:
        folder: of the model, readable.
        backend: its name.
        onednn: whether it uses oneDNN; only Paddle has a choice.

    Raises:
        BadModel: the model's operators cannot be read.
    """
    library = f"{backend}+onednn" if onednn else backend
    if model_files.paddle_program(folder) is None and ("onnx", library) not in _faults():
        return []  # and a large file is not read for nothing
    return reasons_against(reader.read(folder), library)


def reasons_against(program: Program, library: str) -> list[str]:
    """The same for a program that was read; `library` as in a fault."""
    by_kind = _faults().get((program.form, library))
    if not by_kind:
        return []
    small = whole_numbers.small(program)
    # OpenVINO's backend refuses int64 inputs beyond 32 bits, so what only hands them on is no danger.
    within = whole_numbers.within_32_bits(program, feeds=library == "openvino")
    kinds = {operator.kind for operator in program.operators}
    found: dict[str, None] = {}
    for operator in program.operators:
        for fault in by_kind.get(operator.kind, ()):
            if kinds.issuperset(fault.operators) and _applies(fault, operator, small, within):
                found[_words(fault)] = None
    reasons = list(found)
    more = len(reasons) - _MOST_REASONS
    return reasons if more <= 0 else [*reasons[:_MOST_REASONS], f"and {more} more operators"]


def versions() -> Mapping[str, str]:
    """The versions of the libraries that were tried."""
    found: dict[str, str] = _content()["versions"]
    return found


def all_faults() -> list[Fault]:
    """Every one that is known."""
    return [
        Fault(
            form=group["form"],
            library=group["library"],
            operators=tuple(name.split("+")),
            takes=frozenset(group["takes"]),
            gives=frozenset(group["gives"]),
            values=group["values"],
            example=told if isinstance(told, str) else told["example"],
            when=_values(told, "when"),
            unless=_values(told, "unless"),
            fractional=() if isinstance(told, str) else tuple(told.get("fractional", ())),
        )
        for group in _content()["faults"]
        for name, told in group["operators"].items()
    ]


@functools.cache
def _content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@functools.cache
def _faults() -> dict[tuple[str, str], dict[str, list[Fault]]]:
    """Those that decide, by form and library, then by each of their operators."""
    found: dict[tuple[str, str], dict[str, list[Fault]]] = {}
    for fault in all_faults():
        if fault.values in DECIDING:
            for kind in fault.operators:
                found.setdefault((fault.form, fault.library), {}).setdefault(kind, []).append(fault)
    return found


def _values(told: object, key: str) -> Mapping[str, tuple[object, ...]]:
    listed = told.get(key, {}) if isinstance(told, dict) else {}
    return {name: tuple(tuple(v) if isinstance(v, list) else v for v in values) for name, values in listed.items()}


def _applies(fault: Fault, operator: Operator, small: frozenset[str], within: frozenset[str]) -> bool:
    takes = {dtype.name_of(value.elem_type) for value in operator.inputs if value.constant is None}
    gives = {dtype.name_of(value.elem_type) for value in operator.outputs}
    if not (fault.takes <= takes and fault.gives <= gives):
        return False
    if any(_is_among(operator.attributes.get(name), values) for name, values in fault.unless.items()):
        return False
    if not all(_is_among(operator.attributes.get(name), values) for name, values in fault.when.items()):
        return False
    if fault.fractional and not any(is_fractional(operator.attributes.get(name)) for name in fault.fractional):
        return False
    whole = [value.name for value in (*operator.inputs, *operator.outputs) if value.is_whole]
    if fault.values == "any" or not whole:
        return True
    return not (small if fault.values == "large" else within).issuperset(whole)


def is_fractional(value: object) -> bool:
    """Whether an attribute is a number, and not a whole one."""
    return isinstance(value, float) and not value.is_integer()


def _is_among(value: object, values: Iterable[object]) -> bool:
    if isinstance(value, float):
        return any(isinstance(v, int | float) and abs(value - v) <= _CLOSE * max(1.0, abs(v)) for v in values)
    return value in values


def _words(fault: Fault) -> str:
    names = " with ".join(fault.operators)
    how = {"large": " for large numbers", "beyond": " beyond 32 bits"}.get(fault.values, "")
    types = ", ".join(sorted(fault.takes or fault.gives))
    return f"{fault.library} computes {names} of {types} wrongly{how}: {fault.example}"
