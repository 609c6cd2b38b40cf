"""HDFS, and file systems that the same program speaks to. Hadoop is not rebuilt here: its own command is run."""

import os
import subprocess
from pathlib import Path

from paddle_serving_client.errors import BadConfig, BadModel, Unreachable
from paddle_serving_server.commands.monitor.source import Remote

_LIMIT_S = 3600.0
_LS_FIELDS = 8
_MAX_SAID = 256


def check(remote: Remote) -> None:
    """See `Source.check`."""
    if not remote.hadoop_bin:
        raise BadConfig(
            "this type is read by the hadoop command, which is not part of this project: say where it is with "
            "--hadoop_bin, or mount the file system and use --type local"
        )
    if not os.access(remote.hadoop_bin, os.X_OK):
        raise BadConfig(f"--hadoop_bin {remote.hadoop_bin}: there is no such program")


def stamp(remote: Remote) -> str | None:
    """See `Source.stamp`."""
    code, output = _run(remote, "-ls", remote.donefile)
    for line in output.splitlines():
        fields = line.split(None, _LS_FIELDS - 1)
        if len(fields) == _LS_FIELDS and fields[-1].endswith(remote.donefile_name):
            return " ".join(fields[4:7])  # size, date, time
    if code == 0 or "no such file" in output.lower():
        return None
    raise Unreachable(f"hadoop fs -ls {remote.donefile}: status {code}: {_shown(output)}")


def fetch(remote: Remote, into: Path) -> None:
    """See `Source.fetch`."""
    code, output = _run(remote, "-get", remote.model, str(into))
    if code != 0 or not into.exists():
        raise Unreachable(f"hadoop fs -get {remote.model}: status {code}: {_shown(output)}")
    if into.is_dir() is remote.is_archive:
        kind = "a folder" if into.is_dir() else "a file"
        raise Unreachable(f"{remote.model} is {kind}; --unpacked_filename is for archives")
    files = [into] if into.is_file() else [path for path in into.rglob("*") if path.is_file()]
    if sum(path.stat().st_size for path in files) > remote.max_bytes:
        raise BadModel(f"{remote.model}: more than {remote.max_bytes} bytes (--max_bytes)")


def _run(remote: Remote, *arguments: str) -> tuple[int, str]:
    options = [f"fs.default.name={remote.fs_name}"] if remote.fs_name else []
    options += [f"hadoop.job.ugi={remote.fs_ugi}"] if remote.fs_ugi else []
    command = [remote.hadoop_bin, "fs", *(word for option in options for word in ("-D", option)), *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"hadoop fs {arguments[0]}: not done in {_LIMIT_S:.0f} s") from None
    except OSError as exc:
        raise Unreachable(f"{remote.hadoop_bin}: {exc.strerror}") from exc
    return done.returncode, done.stdout.decode(errors="replace")


def _shown(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1][:_MAX_SAID] if lines else "it said nothing"
