"""The state of the machine, to be read beside every figure."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "onnxruntime", "openvino", "paddlepaddle", "opencv-python-headless", "orjson", "uvloop")


def state() -> dict[str, object]:
    """What may explain a figure."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "commit": _git("rev-parse", "--short", "HEAD") or "none",
        "changed_files": len(_git("status", "--porcelain").splitlines()),
    }


def described(state: dict[str, object]) -> str:
    """The same in two lines."""
    libraries = state["libraries"]
    assert isinstance(libraries, dict)
    return (
        f"{state['cpu']}, {state['cores']} cores, load average {state['load_average']}, Linux {state['kernel']}\n"
        f"Python {state['python']}, {', '.join(f'{k} {v}' for k, v in libraries.items())}; "
        f"commit {state['commit']} and {state['changed_files']} changed files"
    )


def times() -> tuple[float, float, float]:
    """Processor time since boot, in ticks: all, idle, and taken away by the hypervisor."""
    fields = [float(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4], fields[7]


def used_since(before: tuple[float, float, float]) -> dict[str, float]:
    """How busy the processors were since `times` was called, by whomever, and what was taken away; shares of all."""
    whole, idle, stolen = (now - then for now, then in zip(times(), before, strict=True))
    return {"busy": round(1 - idle / max(whole, 1), 3), "stolen": round(stolen / max(whole, 1), 4)}


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def pss_mb(pids: list[int]) -> float:
    """Memory of processes in MB, what several share counted once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
