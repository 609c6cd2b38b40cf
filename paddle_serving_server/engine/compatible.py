"""Whether a model can answer everybody who asks another one: a new version of it, a variant, a shadow."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from paddle_serving_app.signature import Signature
from paddle_serving_client import dtype

_Said = Mapping[str, Any]
"""The inputs and outputs of a `Signature`, or one of them, as JSON."""


def differences(before: _Said, after: _Said) -> list[str]:
    """What a caller of the version before would notice; empty where nothing.

    Inputs and outputs need the same names, aliases and types, in the same order. A dimension of an input may become
    open, so that more fits than before; not the other way round.
    """
    found = _compared("input", before["inputs"], after["inputs"], may_open=True)
    return found + _compared("output", before["outputs"], after["outputs"], may_open=False)


def objection(one: Signature, other: Signature) -> str | None:
    """Why a model cannot answer in the place of another one, or None.

    They are different models: what their variables are called inside may differ, and so may the shapes that their
    configs give for outputs.
    """
    before, after = _as_callers_see(one), _as_callers_see(other)
    return "; ".join(differences(before, after)) or None


def _as_callers_see(signature: Signature) -> _Said:
    described = asdict(signature)
    for variable in (*described["inputs"], *described["outputs"]):
        variable["name"] = variable["alias"]
    for variable in described["outputs"]:
        variable["shape"] = ()
    return described


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
            found.append(f"{kind} {old['alias']!r} is {list(new['shape'])}, was {list(old['shape'])}")
    return found


def _fits(old: list[int], new: list[int], may_open: bool) -> bool:
    if len(old) != len(new):
        return False
    return all(was == is_ or (may_open and is_ == -1) for was, is_ in zip(old, new, strict=True))


def _shown(variable: _Said) -> str:
    lod = " with LoD" if variable["is_lod"] else ""
    inside = f" (in the model: {variable['name']!r})" if variable["name"] != variable["alias"] else ""
    return f"{dtype.name_of(variable['elem_type'])}{lod}{inside}"
