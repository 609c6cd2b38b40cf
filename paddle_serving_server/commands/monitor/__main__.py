"""`python -m paddle_serving_server.monitor`: get new models from elsewhere, and put them where a server reads them."""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, cast

from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_server.commands.monitor import sources
from paddle_serving_server.commands.monitor.source import Remote, Source
from paddle_serving_server.commands.monitor.watch import Local, Watch
from paddle_serving_server.process import log

logger = logging.getLogger(__name__)

_EXIT_BAD_START = 2
_PASSWORD = "FTP_PASSWORD"
_MAX_INTERVAL_S = 86_400


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(prog="python -m paddle_serving_server.monitor", description=__doc__)
    add = flags.add_argument
    add("--type", default="general", help="where models come from: general (a web server), local, ftp, hdfs or afs")
    add("--remote_path", required=True, help="the folder there")
    add("--remote_model_name", required=True, help="the model in it: a tar archive, or a folder")
    add("--remote_donefile_name", required=True, help="the file in it that changes when the model is whole")
    add("--local_path", required=True, help="the folder here")
    add("--local_model_name", required=True, help="the model's folder in it")
    add("--local_timestamp_file", default="fluid_time_file", help="in the model's folder; servers watch it")
    add("--local_tmp_path", default="_serving_monitor_tmp", help="in --local_path; for models that are not whole yet")
    add("--unpacked_filename", help="the model's folder in the archive; without it, a folder is fetched")
    add("--interval", type=float, default=10, help="seconds between two looks (default 10)")
    add("--debug", action="store_true", help="say more")
    add("--general_host", default="", help="general: such as https://models.example.com")
    add("--allow_host", action="append", default=[], help="general: another host that may be asked; repeatable")
    add("--max_bytes", type=int, default=64 << 30, help="largest model, packed and unpacked (default 64 GiB)")
    add("--ftp_host", default="", help="ftp: the server")
    add("--ftp_port", type=int, default=21, help="ftp: its port (default 21)")
    add("--ftp_username", default="", help="ftp: empty for anonymous")
    add("--ftp_password", default="", help=f"ftp: the password; better in the environment as {_PASSWORD}")
    add("--hadoop_bin", default="", help="hdfs, afs: the hadoop program")
    add("--fs_name", default="", help="hdfs, afs: the file system, such as hdfs://host:port")
    add("--fs_ugi", default="", help="hdfs, afs: user and password, as hadoop.job.ugi")
    return flags


def watch_of(arguments: argparse.Namespace) -> Watch:
    """What the flags ask for.

    Raises:
        BadConfig: they ask for something impossible.
    """
    names = plugins.names(sources)
    if arguments.type not in names:
        raise BadConfig(f"--type must be one of {', '.join(names)}, got {arguments.type}")
    if not 0.01 <= arguments.interval <= _MAX_INTERVAL_S:
        raise BadConfig(f"--interval must be from 0.01 to {_MAX_INTERVAL_S} seconds, got {arguments.interval}")
    if arguments.max_bytes < 1:
        raise BadConfig(f"--max_bytes must be at least 1, got {arguments.max_bytes}")
    remote = Remote(
        path=arguments.remote_path,
        model_name=arguments.remote_model_name,
        donefile_name=arguments.remote_donefile_name,
        is_archive=arguments.unpacked_filename is not None,
        max_bytes=arguments.max_bytes,
        general_host=arguments.general_host,
        allowed_hosts=tuple(arguments.allow_host),
        ftp_host=arguments.ftp_host,
        ftp_port=arguments.ftp_port,
        ftp_username=arguments.ftp_username,
        ftp_password=arguments.ftp_password or os.environ.get(_PASSWORD, ""),
        hadoop_bin=arguments.hadoop_bin,
        fs_name=arguments.fs_name,
        fs_ugi=arguments.fs_ugi,
    )
    local = Local(
        path=Path(arguments.local_path),
        model_name=arguments.local_model_name,
        timestamp_file=arguments.local_timestamp_file,
        tmp_path=arguments.local_tmp_path,
        unpacked_name=arguments.unpacked_filename or "",
    )
    return Watch(cast(Source, plugins.load(sources, arguments.type)), remote, local)


def main(argv: Sequence[str] | None = None) -> int:
    """Look for new models until a signal says stop; 0 then, 2 where the flags are wrong."""
    arguments = parser().parse_args(argv)
    log.configure("DEBUG" if arguments.debug else "INFO", "monitor")
    try:
        watch = watch_of(arguments)
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return _EXIT_BAD_START
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    pause = threading.Event()
    while True:
        try:
            watch.look()
        except (ServingError, OSError) as exc:
            logger.error("%s; the model stays as it is", exc)
        pause.wait(arguments.interval)


def _stop(number: int, frame: object) -> NoReturn:
    """End at once: what came so far is thrown away, and a model that is being put in place is finished first."""
    with contextlib.suppress(ValueError):
        logger.info("stopping")
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
