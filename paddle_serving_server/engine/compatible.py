"""Whether a new version of a model can answer everybody who asks the one before it."""

from collections.abc import Mapping
from typing import Any

from paddle_serving_client import dtype

_Said = Mapping[str, Any]
"""The inputs and outputs of a `Signature`, or one of them, as JSON."""


def differences(before: _Said, after: _Said) -> list[str]:
    """What a caller of the version before would notice; empty where nothing.

    Inputs and outputs need the same names, aliases and types, in the same order. A dimension may become open, so that
    more fits than before; not the other way round.
    """
    found = _compared("input", before["inputs"], after["inputs"], may_open=True)
    return found + _compared("output", before["outputs"], after["outputs"], may_open=False)


def _compared(kind: str, before: list[_Said], after: list[_Said], may_open: bool) -> list[str]:
    names = [[variable["alias"] for variable in side] for side in (before, after)]
    if names[0] != names[1]:
        was, is_ = (", ".join(map(repr, side)) or "nothing" for side in names)
        return [f"{kind}s are {is_}, were {was}"]
    found = []
    for old, new in zip(before, after, strict=True):
        if any(old[field] != new[field] for field in ("name", "elem_type", "is_lod")):
            found.append(f"{kind} {old['alias']!r} is {_shown(new)}, was {_shown(old)}")
        elif not _fits(old["shape"], new["shape"], may_open):
            found.append(f"{kind} {old['alias']!r} is {new['shape']}, was {old['shape']}")
    return found


def _fits(old: list[int], new: list[int], may_open: bool) -> bool:
    if len(old) != len(new):
        return False
    return all(was == is_ or (may_open and is_ == -1) for was, is_ in zip(old, new, strict=True))


def _shown(variable: _Said) -> str:
    lod = " with LoD" if variable["is_lod"] else ""
    return f"{dtype.name_of(variable['elem_type'])}{lod} (in the model: {variable['name']!r})"
