"""The program: python -m paddle_serving_server.tune --model DIR [--seconds 60]"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from paddle_serving_app import layout
from paddle_serving_app.backend import PRECISIONS, ModelOptions
from paddle_serving_app.choosing import choose
from paddle_serving_app.choosing.plan import Plan, shown_ms
from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_server.config import gpus
from paddle_serving_server.process import log

EXIT_BAD_USE = 2
_LEAST_S, _MOST_S = 1.0, 3600.0
_LINE = "  {:<18} {:>7} {:>5} {:>9} {:>9}  {}"


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m paddle_serving_server.tune`."""
    flags = argparse.ArgumentParser(
        prog=program.name("python -m paddle_serving_server.tune"),
        description="Measure which library runs a model fastest, and keep the plan for the server.",
    )
    add = flags.add_argument
    add("--model", nargs="+", required=True, metavar="DIR", help="models, in any layout that serve takes")
    add("--seconds", type=float, default=60.0, help="about how long to measure each (default 60)")
    add("--engine_threads", type=int, default=0, help="as the server will get it (default: what measures best)")
    add("--gpu_ids", nargs="+", default=[], metavar="ID", help="as the server will get it (default: CPU)")
    add("--precision", default="fp32", type=str.lower, help="as the server will get it (default fp32)")
    add("--use_trt", action="store_true", help="as the server will get it")
    add("--json", action="store_true", help="print the plans as JSON, one a line")
    add("--log_level", default="WARNING", help="DEBUG, INFO, WARNING or ERROR (default WARNING)")
    return flags


def main(argv: Sequence[str]) -> int:
    """Do what the command line says; returns the exit status: 2 where a model cannot be measured."""
    arguments = parser().parse_args(argv)
    try:
        _check(arguments)
        log.configure(arguments.log_level.upper(), "tune")
        options = ModelOptions(
            threads=arguments.engine_threads,
            gpu_id=gpus.gpu_of(arguments.gpu_ids),
            precision=arguments.precision,
            use_trt=arguments.use_trt,
        )
        folders = [layout.served(path) for path in arguments.model]  # a wrong one is said before the first is measured
        for path, folder in zip(arguments.model, folders, strict=True):
            plan, file = choose.tune(folder, options, arguments.seconds)
            sys.stdout.write(
                json.dumps(plan.describe()) + "\n" if arguments.json else "\n".join(report(path, plan, file)) + "\n"
            )
            sys.stdout.flush()
    except ServingError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return EXIT_BAD_USE
    return 0


def report(path: str, plan: Plan, file: Path | None) -> Iterator[str]:
    """The plan as lines of text."""
    yield f"{path}: {plan.candidate}"
    yield f"  {plan.why}"
    yield ""
    yield _LINE.format("library", "threads", "rows", "ms", "rows/s", "").rstrip()
    for m in plan.table:
        figures = (m.candidate.threads, m.rows, shown_ms(m.ms), f"{m.rows_per_s:,.0f}")
        yield _LINE.format(m.candidate.library, *figures, m.note).rstrip()
    for skipped in plan.skipped:
        yield _LINE.format(
            skipped.candidate.library, skipped.candidate.threads, "-", "-", "-", f"out: {skipped.reason}"
        )
    yield ""
    yield f"  largest batch: {_batch(plan)}"
    if plan.engines is not None:
        count, threads, rate = plan.engines.count, plan.engines.threads, plan.engines.rows_per_s
        yield f"  most lone rows a second: {rate:,.0f}, by {count} engine(s) of {threads} thread(s)"
    libraries = ", ".join(f"{name} {version}" for name, version in plan.versions.items())
    yield f"  measured in {plan.seconds:.0f} s on {plan.cpu}, with {libraries}"
    yield f"  kept in {file}" if file else "  not kept: no folder can be written"


def _batch(plan: Plan) -> str:
    if not plan.max_rows:
        return "none was tried: rows do not come out as they go in, or the time was up"
    sizes = [m.rows for m in plan.table if m.candidate == plan.candidate]
    if plan.max_rows == 1 and max(sizes) == 1:
        return "1 row; none was tried"
    if max(sizes) == plan.max_rows:
        return f"{plan.max_rows} rows, the largest that was tried"
    return f"{plan.max_rows} row(s); up to {max(sizes)} were tried, and brought less than 5 % a row"


def _check(arguments: argparse.Namespace) -> None:
    if not _LEAST_S <= arguments.seconds <= _MOST_S:
        raise BadConfig(f"--seconds must be from {_LEAST_S:.0f} to {_MOST_S:.0f}, got {arguments.seconds:g}")
    if not 0 <= arguments.engine_threads <= 1024:
        raise BadConfig(f"--engine_threads must be from 0 to 1024, got {arguments.engine_threads}")
    if arguments.precision not in PRECISIONS:
        raise BadConfig(f"--precision must be one of {', '.join(PRECISIONS)}, got {arguments.precision}")
    if arguments.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadConfig(f"--log_level must be DEBUG, INFO, WARNING or ERROR, got {arguments.log_level}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
