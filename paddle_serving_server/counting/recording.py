"""What a front sees of its requests while somebody records: kept in memory up to a limit, then written to a file.

While nobody records, `now` is None, and looking at that is all it costs.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from paddle_serving_client.message import Stage
from paddle_serving_server.counting.timing import Stages

logger = logging.getLogger(__name__)

MAX_SPANS: Final = 100_000
"""Kept by one front; what comes beyond is counted."""
MAX_S: Final = 60.0
"""Longest recording, in seconds."""
_PATIENCE_S: Final = 10.0
"""How long the other fronts may take to write what they have."""
_LOOK_S: Final = 0.02

now: "Recording | None" = None
"""What this process records into."""


class Recording:
    """What one front has seen. All times are on the clock of `time.monotonic`, which all processes share."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._requests: list[tuple[object, ...]] = []
        self._runs: list[tuple[object, ...]] = []
        self._failures: list[tuple[object, ...]] = []
        self._spans = 0
        self._dropped = 0

    def answered(self, service: str, protocol: str, started: float, ended: float, of_call: Stages) -> None:
        """A call was answered."""
        stages, inside = of_call
        if started >= self.began and self._has_room(1 + len(stages)):
            self._requests.append((service, protocol, started, ended, _tuples(stages), _tuples(inside)))

    def failed(self, service: str, protocol: str, err_no: str) -> None:
        """A call was refused or failed."""
        if self._has_room(1):
            self._failures.append((service, protocol, time.monotonic(), err_no))

    def ran(self, engine: str, reply: Any) -> None:
        """An engine has answered: `engine.interface.Reply`."""
        if reply.sent >= self.began and self._has_room(1):
            self._runs.append((engine, reply.sent, reply.queue_ms, reply.batch_ms, reply.run_ms, reply.rows))

    def as_json(self) -> bytes:
        """For `chrome_trace`."""
        return orjson.dumps(
            {
                "pid": os.getpid(),
                "began": self.began,
                "requests": self._requests,
                "runs": self._runs,
                "failures": self._failures,
                "dropped": self._dropped,
            }
        )

    def _has_room(self, spans: int) -> bool:
        if self._spans + spans > MAX_SPANS:
            self._dropped += spans
            return False
        self._spans += spans
        return True


async def record(folder: Path, until: float) -> None:
    """Record in this process until a moment on the clock of `time.monotonic`, then write a file into a folder."""
    global now
    if now is not None:
        return
    mine = now = Recording()
    try:
        await asyncio.sleep(until - time.monotonic())
    finally:
        now = None
    await asyncio.to_thread(_write, folder, mine)


async def written(folder: Path, until: float, fronts: int) -> None:
    """Wait until all fronts have written, or one of them takes too long: it may have died meanwhile."""
    while time.monotonic() < until + _PATIENCE_S and len(files(folder)) < fronts:
        await asyncio.sleep(max(_LOOK_S, until - time.monotonic()))


def files(folder: Path) -> list[Path]:
    """What has been written."""
    return sorted(folder.glob("*.json"))


def _write(folder: Path, recording: Recording) -> None:
    unfinished = folder / f"{os.getpid()}.part"
    with contextlib.suppress(FileNotFoundError):  # who asked for it has gone
        unfinished.write_bytes(recording.as_json())
        unfinished.rename(unfinished.with_suffix(".json"))


def _tuples(stages: Sequence[Stage]) -> list[tuple[object, ...]]:
    return [(stage.name, stage.began, stage.ended, stage.rows) for stage in stages]
