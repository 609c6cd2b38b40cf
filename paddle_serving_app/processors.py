"""How many processors this process may use: what the machine has, less what a container or `taskset` takes away."""

import math
import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000": 200 ms of each 100 ms, or "max 100000"


def available(quota: Path = _CGROUP_QUOTA) -> int:
    """Processors this process may use, at least 1; a container's CPU limit counts, rounded up."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit_us, period_us = quota.read_text().split()
        usable = min(usable, math.ceil(int(limit_us) / int(period_us)))
    except (OSError, ValueError):
        pass  # no cgroup v2, or no limit
    return max(1, usable)
