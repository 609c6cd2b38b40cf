"""Where the time of a call went, as one line on stderr per layer, in the form that `show_profile.py` and
`timeline_trace.py` of Paddle Serving read: `PROFILE`, a tab, `pid:N`, a tab, and `NAME_0:us NAME_1:us` for each span.

`FLAGS_profile_client=1` writes the lines; `FLAGS_profile_server=1` asks the server for its spans.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

CLIENT_FLAG: Final = "FLAGS_profile_client"
SERVER_FLAG: Final = "FLAGS_profile_server"

Span: TypeAlias = tuple[str, int, int]
"""Name, start and end in microseconds since 1970."""


def is_on(flag: str) -> bool:
    """Whether the environment sets a flag."""
    return os.environ.get(flag, "").lower() in ("1", "true")


def server_spans(profile_time: Sequence[int]) -> list[Span]:
    """The spans that a server sent: one for each step, the last for the whole request."""
    return [(f"op{k}", *profile_time[2 * k : 2 * k + 2]) for k in range(len(profile_time) // 2)]  # type: ignore[misc]


def write(*layers: Iterable[Span]) -> None:
    """Write one line for each layer, in one piece, so that lines of threads do not mix."""
    head = f"PROFILE\tpid:{os.getpid()}\t"
    lines = [" ".join(f"{name}_0:{start} {name}_1:{end}" for name, start, end in spans) for spans in layers]
    sys.stderr.write("".join(f"{head}{line} \n" for line in lines))
