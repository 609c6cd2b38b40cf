"""What `paddle_serving_server.paddlex` does: a server by the command line of `paddlex --serve`.

Flags of `serve` may stand behind those of PaddleX, as --threads or --manage_token.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from paddle_serving_app.paddlex import pipeline_file
from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_server.config import command_line
from paddle_serving_server.engine.settings import EXIT_BAD_START
from paddle_serving_server.process import log, requirements

_PORT = 8080
_HPS_FILE, _HPS_DEVICE = "PADDLEX_HPS_PIPELINE_CONFIG_PATH", "PADDLEX_HPS_DEVICE_TYPE"


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(prog="python -m paddle_serving_server.paddlex", description=__doc__.splitlines()[0])
    flags.add_argument("--serve", action="store_true", required=True, help="serve; there is nothing else to do here")
    flags.add_argument("--pipeline", action="append", default=[], help="the pipeline's YAML; several times for several")
    flags.add_argument("--device", default="", help="cpu, gpu, or gpu:1")
    flags.add_argument("--host", default="0.0.0.0", help="where to listen")
    flags.add_argument("--port", type=int, default=_PORT, help="likewise")
    flags.add_argument("--use_hpip", action="store_true", help="measure which library is fastest; as it is anyway")
    for name in ("--hpi_config", "--engine", "--engine_config"):
        flags.add_argument(name, help="without effect: what runs a model is measured")
    return flags


def main(argv: Sequence[str]) -> int:
    """Serve until a signal says stop; returns the exit status."""
    try:
        words = as_serve(argv, os.environ)
        command, warnings = command_line.parse(words)
        log.configure(command.config.log_level, "serve")
        for warning in warnings:
            log.logger.warning(warning)
        requirements.check()
        from paddle_serving_server.supervisor.runtime import Supervisor  # as in `serve`

        return Supervisor(command.config).run()
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_BAD_START


def as_serve(argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The same as words for `serve`.

    Raises:
        BadConfig: no pipeline is named, or by a name only; or there is no such device.
    """
    said, rest = parser().parse_known_args(argv)
    files = said.pipeline or [file for file in [environment.get(_HPS_FILE)] if file]
    if not files:
        raise BadConfig(f"--pipeline names the YAML of a pipeline; {_HPS_FILE} does, too")
    for file in files:
        if not pipeline_file.claims(Path(file)):
            raise BadConfig(
                f"--pipeline {file}: a YAML with pipeline_name is expected; PaddleX writes one for each of its names: "
                f"paddlex --get_pipeline_config {Path(file).stem} --save_path ."
            )
    kind, _, number = (said.device or environment.get(_HPS_DEVICE, "cpu")).partition(":")
    if kind not in ("cpu", "gpu") or (number and not number.isdecimal()):
        raise BadConfig(f"--device is cpu, gpu or gpu:NUMBER, got {said.device[:32]!r}")
    gpu = ["--gpu_ids", number or "0"] if kind == "gpu" else []
    return [*files, "--host", said.host, "--port", str(said.port), *gpu, *rest]
