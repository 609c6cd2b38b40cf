"""ProcessInfo.json: which servers were started here, for `serve stop` and `serve kill`."""

import contextlib
import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

from paddle_serving_client.errors import BadConfig

logger = logging.getLogger(__name__)

_STOP_WAIT_S = 60.0


def file() -> Path:
    """The list of servers: in `$SERVING_HOME`, or in the current folder."""
    return Path(os.environ.get("SERVING_HOME") or ".") / "ProcessInfo.json"


def record(port: int, model: str) -> None:
    """Write this process down as the server of `port`, in the place of an earlier one."""
    entry = {
        "pid": os.getpgrp(),
        "port": [port],
        "model": model,
        "start_time": time.time(),
        "supervisor": os.getpid(),
    }
    _write([*(e for e in _read() if port not in e["port"]), entry])


def forget(port: int) -> None:
    """Take this process off the list."""
    _write([e for e in _read() if not (port in e["port"] and e.get("supervisor") == os.getpid())])


def stop(port: int | None, hard: bool) -> list[str]:
    """End the servers on the list, or the one of `port`, and wait until they are gone.

    Args:
        port: None means all.
        hard: kill the processes instead of letting them finish.

    Returns:
        A line for each server ended.

    Raises:
        BadConfig: there is no list, or no server of that port on it.
    """
    if not file().exists():
        raise BadConfig("ProcessInfo.json file is not exists, All processes of PaddleServing has been stopped.")
    entries = _read()
    chosen = [e for e in entries if port is None or port in e["port"]]
    if not chosen:
        raise BadConfig(f"Please confirm the port [{port}] you specified is correct.")
    lines = []
    for entry in chosen:
        pid = int(entry.get("supervisor", entry["pid"]))
        if not _is_server(pid):
            lines.append(f"Process [{pid}]  has been stopped.")
            continue
        _end(pid, hard)
        lines.append(f"stopped the server on port {', '.join(map(str, entry['port']))}")
    _write([e for e in _read() if e not in chosen])
    return lines


def _end(pid: int, hard: bool) -> None:
    """Ask the supervisor; its children end with it."""
    os.kill(pid, signal.SIGKILL if hard else signal.SIGINT)
    until = time.monotonic() + _STOP_WAIT_S
    while _is_server(pid):
        if time.monotonic() > until:
            raise BadConfig(f"the server (process {pid}) is still finishing requests after {_STOP_WAIT_S:.0f} s")
        time.sleep(0.05)


def _is_server(pid: int) -> bool:
    """Whether that process is a server of ours and not another that got its number."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and any(b"paddle_serving_server" in word or word.endswith(b".py") for word in words)


def _read() -> list[dict[str, Any]]:
    try:
        said = json.loads(file().read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    return [e for e in said if isinstance(e, dict) and isinstance(e.get("port"), list) and "pid" in e]


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
