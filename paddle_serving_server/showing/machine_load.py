"""How busy the machine is, and how much of its memory is taken, as Linux says it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STAT: Final = "stat"
_MEMORY: Final = "meminfo"
_IDLE: Final = (3, 4)
"""Places of the times in which a processor had nothing to do, or waited for a disk."""
_TIMES: Final = 8
"""Those that do not stand for each other: what guests had is in the first two, too."""


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """At one moment."""

    busy: float
    """Part of the processors' time that was used since somebody looked before, 0 to 1, or, where nobody did, since the
    machine was started; in the same moment once more it is what it was."""
    memory_bytes: int
    used_bytes: int
    """What programs could not have."""


class MachineWatch:
    """Looks at the machine whenever it is asked."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before = 0, 0
        self._busy = 0.0

    def look(self) -> MachineLoad:
        """The load since the last look."""
        before, self._before = self._before, self._times()
        total, idle = (now - then for now, then in zip(self._before, before, strict=True))
        if total > 0:
            self._busy = max(0.0, min(1.0, 1 - idle / total))
        memory = self._memory()
        return MachineLoad(
            busy=self._busy,
            memory_bytes=memory["MemTotal"],
            used_bytes=memory["MemTotal"] - memory["MemAvailable"],
        )

    def _times(self) -> tuple[int, int]:
        """All of the processors' time, and what of it was idle, in ticks."""
        line = (self._proc / _STAT).read_text(encoding="ascii").partition("\n")[0]
        ticks = [int(word) for word in line.split()[1 : 1 + _TIMES]]
        return sum(ticks), sum(ticks[place] for place in _IDLE)

    def _memory(self) -> dict[str, int]:
        lines = (line.partition(":") for line in (self._proc / _MEMORY).read_text(encoding="ascii").splitlines())
        return {name: int(rest.split()[0]) * 1024 for name, _, rest in lines if rest.strip()}
