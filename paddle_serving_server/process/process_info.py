"""ProcessInfo.json: which servers were started here, for `serve stop` and `serve kill`.

    [{"pid": 4711, "port": [9393], "model": "['dir']", "start_time": 1795231260.7, "supervisor": 4711, "ticks": 123}]

The first four fields are those of Paddle Serving 0.9, whose files are read too: `pid` is the process group.
`supervisor` is the process that is asked to stop. Numbers of processes are used again: `ticks`, when the kernel started
it, tells a server from a later process of the same number; of an entry of 0.9, a process that is younger than its entry
is another.
"""

import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from paddle_serving_app import file_lock
from paddle_serving_client.errors import BadConfig

logger = logging.getLogger(__name__)

NAME = "ProcessInfo.json"
_STOP_WAIT_S = 60.0
_LOCK_S = 5.0
_MAX_BYTES = 1 << 20
_CLOCKS_DIFFER_S = 5.0
"""An entry of 0.9 has the time of its writing; it is compared with the kernel's time of the process's start."""


def file() -> Path:
    """The list of servers: in `$SERVING_HOME`, or in the current folder."""
    return Path(os.environ.get("SERVING_HOME") or ".") / NAME


def record(ports: Sequence[int], model: str) -> None:
    """Write this process down as the server of `ports`, in the place of an earlier one."""
    entry = {
        "pid": os.getpgrp(),
        "port": list(ports),
        "model": model,
        "start_time": time.time(),
        "supervisor": os.getpid(),
        "ticks": _started(os.getpid()),
    }
    with _locked():
        _write([*(e for e in _read() if not set(ports) & set(e["port"])), entry])


def forget() -> None:
    """Take this process off the list."""
    with _locked():
        _write([e for e in _read() if e.get("supervisor") != os.getpid()])


def stop(port: int | None, hard: bool) -> list[str]:
    """End the servers on the list, or the one of `port`, and wait until they are gone.

    Args:
        port: None means all.
        hard: kill the processes instead of letting them finish.

    Returns:
        A line for each server ended.

    Raises:
        BadConfig: there is no list, no server of that port on it, or a server that does not end.
    """
    if not file().exists():
        raise BadConfig(f"{NAME} file is not exists, All processes of PaddleServing has been stopped.")
    entries = _read()
    chosen = [e for e in entries if port is None or port in e["port"]]
    if not chosen:
        raise BadConfig(f"Please confirm the port [{port}] you specified is correct.")
    lines = [_ended(entry, hard) for entry in chosen]
    with _locked():
        _write([e for e in _read() if e not in chosen])
    return lines


def _ended(entry: dict[str, Any], hard: bool) -> str:
    """End one server; a line on what was done."""
    pid = _process_of(entry)
    if not _is_running(entry):
        return f"Process [{pid}]  has been stopped."
    number = signal.SIGKILL if hard else signal.SIGINT
    try:
        if "supervisor" in entry:
            os.kill(pid, number)  # its children end with it
        elif pid == os.getpgrp():
            where = "in the process group of this command"
            raise BadConfig(f"the server of port {_ports(entry)} runs {where}; end it there")
        else:
            os.killpg(pid, number)
    except ProcessLookupError:
        return f"Process [{pid}]  has been stopped."
    except PermissionError:
        raise BadConfig(f"the server of port {_ports(entry)} (process {pid}) belongs to another user") from None
    until = time.monotonic() + _STOP_WAIT_S
    while _is_running(entry):
        if time.monotonic() > until:
            raise BadConfig(f"the server (process {pid}) is still finishing requests after {_STOP_WAIT_S:.0f} s")
        time.sleep(0.05)
    return f"stopped the server on port {_ports(entry)}"


def _ports(entry: dict[str, Any]) -> str:
    return ", ".join(map(str, entry["port"]))


def _process_of(entry: dict[str, Any]) -> int:
    return int(entry.get("supervisor", entry["pid"]))


def _is_running(entry: dict[str, Any]) -> bool:
    """Whether the process of an entry is there, and not another that got its number."""
    started = _started(_process_of(entry))
    if started is None:
        return False
    if "ticks" in entry:
        return bool(started == entry["ticks"])
    written = entry.get("start_time")
    if not isinstance(written, int | float):
        return False
    return _boot_time() + started / os.sysconf("SC_CLK_TCK") <= written + _CLOCKS_DIFFER_S


def _started(pid: int) -> int | None:
    """When the kernel started a process, in clock ticks since the machine's start; None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _boot_time() -> float:
    """When the machine was started, on the clock of `time.time`."""
    lines = Path("/proc/stat").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("btime ")))


def _read() -> list[dict[str, Any]]:
    try:
        with file().open("rb") as stream:
            parsed = json.loads(stream.read(_MAX_BYTES))
    except (OSError, ValueError):
        return []
    return [e for e in parsed if _is_entry(e)] if isinstance(parsed, list) else []


def _is_entry(entry: object) -> bool:
    """Whether a value is an entry of the list; 0, 1 and negative numbers would reach groups, or everybody."""
    if not isinstance(entry, dict) or not isinstance(entry.get("port"), list):
        return False
    pids = [entry.get("pid"), entry.get("supervisor", entry.get("pid"))]
    return all(isinstance(pid, int) and not isinstance(pid, bool) and pid > 1 for pid in pids)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One writer at a time; after a while without the lock too, since a list that is wrong is better than a hang."""
    folder = file().parent
    if not folder.is_dir():
        yield
        return
    with file_lock.held(folder, _LOCK_S):
        yield


def _write(entries: list[dict[str, Any]]) -> None:
    target = file()
    if not entries:
        with contextlib.suppress(OSError):
            target.unlink()
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(entries))
        draft.replace(target)
    except OSError as exc:
        logger.warning("%s cannot be written (%s): `serve stop` will not find this server", target, exc.strerror)
