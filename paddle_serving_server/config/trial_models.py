"""Models that stand beside the one a service has: variants, which answer a part of the requests, and shadows."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.engine import repository

MAIN = "main"
"""The tag of the model that a service has anyway."""
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class TrialModel:
    """One of them."""

    service: str
    """Whose; empty: the server's first."""
    tag: str
    """What it is called in `X-Variant`, in counts and on pages."""
    folder: str
    percent: float
    """How many of a hundred requests it answers, or, as a shadow, gets a copy of."""


def parse(flag: str, text: str, default_percent: float | None) -> TrialModel:
    """Read the value of a flag: `[SERVICE/]TAG=DIR:PERCENT`.

    Args:
        flag: its name, for errors.
        text: the value.
        default_percent: for a value without `:PERCENT`; None where it has to be there.

    Raises:
        BadConfig: the value is not of that form, or there is no model.
    """
    name, equals, rest = text.partition("=")
    service, _, tag = name.rpartition("/")
    folder, colon, said = rest.rpartition(":")
    percent = _percent_of(said) if colon else None
    if percent is None:
        folder, percent = rest, default_percent
    if not equals or not folder or percent is None:
        form = "[SERVICE/]TAG=DIR:PERCENT" if default_percent is None else "[SERVICE/]TAG=DIR[:PERCENT]"
        raise BadConfig(f"--{flag} is {form}, as b=my_model_v2:10; got {text!r}")
    if not _TAG.fullmatch(tag) or tag == MAIN:
        raise BadConfig(
            f"--{flag} {text}: a tag has letters, digits, '.', '_' and '-', at most 64 of them, and is not {MAIN!r}, "
            f"which is the model that the service has anyway; got {tag!r}"
        )
    if not 0 <= percent <= 100:
        raise BadConfig(f"--{flag} {text}: a percentage is from 0 to 100, got {percent:g}")
    repository.refuse_other(folder, f"--{flag} {text}:")
    return TrialModel(service, tag, folder, percent)


def parse_all(flag: str, texts: Sequence[str], default_percent: float | None) -> tuple[TrialModel, ...]:
    """Read all values of a flag; see `parse`.

    Raises:
        BadConfig: a tag is there twice, or the percentages leave less than nothing for `MAIN`.
    """
    models = tuple(parse(flag, text, default_percent) for text in texts)
    names = [(model.service, model.tag) for model in models]
    for service, tag in names:
        if names.count((service, tag)) > 1:
            raise BadConfig(f"--{flag}: the tag {tag!r} is there twice")
        percent = sum(model.percent for model in models if model.service == service)
        if flag == "variant" and percent > 100:
            raise BadConfig(f"--variant: the percentages come to {percent:g}; {MAIN!r} gets what is left of 100")
    return models


def _percent_of(text: str) -> float | None:
    try:
        percent = float(text)
    except ValueError:
        return None
    return percent if math.isfinite(percent) else None
