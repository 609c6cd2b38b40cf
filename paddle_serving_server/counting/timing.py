"""The stages of a call, as its caller is told of them."""

import functools
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from paddle_serving_client.message import Stage

ASK: Final = "x-profile"
"""The header of a caller who wants to know, where the answer does not say it anyway: `x-profile: 1`."""
HEADER: Final = "Server-Timing"

Stages: TypeAlias = tuple[Sequence[Stage], Sequence[Stage]]
"""Of a call, and of models inside these."""
NO_STAGES: Final[Stages] = ((), ())


def text(stages: Sequence[Stage]) -> str:
    """As the header `Server-Timing` says it: `queue;dur=0.081, batch;dur=0.004;desc="8 rows", ...`, in milliseconds."""
    return ", ".join([f"{_token(name)};dur={ms:.3f}{_size(rows) if rows else ''}" for name, ms, _, _, rows in stages])


def _size(rows: int) -> str:
    return f';desc="{rows} row{"s" if rows > 1 else ""}"'


@functools.lru_cache(1024)
def _token(name: str) -> str:
    """A name fit for a header: a service may call its stages what it likes."""
    return re.sub(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]", "_", name) or "_"
