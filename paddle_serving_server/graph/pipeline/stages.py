"""Where the time of a request to a pipeline went: OP.queue, OP.preprocess, OP.process and OP.postprocess of each op."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from paddle_serving_client.message import Stage

Span: TypeAlias = tuple[int, int]
"""Start and end in microseconds since 1970: processes of ops say it so."""

_HELD_UP_S: Final = 20e-6
_STEPS: Final = ("preprocess", "process", "postprocess")


def stages_of(ops: Mapping[str, tuple[int, Sequence[int]]], unpacking: Span, packing: Span) -> Iterator[Stage]:
    """The stages of one request.

    Args:
        ops: by name, when the op got the request, and start and end of each of its steps that ran.
        unpacking, packing: what the RequestOp and the ResponseOp took.
    """
    shift = _shift()
    yield _stage("unpack", unpacking, shift)
    for name, (arrived, times) in ops.items():
        steps = list(zip(_STEPS, times[::2], times[1::2], strict=False))
        if steps:
            yield _stage(f"{name}.queue", (arrived, max(arrived, steps[0][1])), shift)
        for step, began, ended in steps:
            yield _stage(f"{name}.{step}", (began, ended), shift)
    yield _stage("pack", packing, shift)


def _shift() -> float:
    """From seconds since 1970 to `time.monotonic`; looked at again where this process was held up in between."""
    for _ in range(3):
        before, now, after = time.monotonic(), time.time(), time.monotonic()
        if after - before < _HELD_UP_S:
            break
    return before - now


def _stage(name: str, span: Span, shift: float) -> Stage:
    began, ended = span
    return Stage(name, (ended - began) / 1000, began / 1e6 + shift, ended / 1e6 + shift)
