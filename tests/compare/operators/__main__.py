"""The command; see the package's first lines."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

from tests.compare.operators import claims, findings, onnx_models, programs
from tests.compare.operators.case import ALL, Case
from tests.compare.operators.sweep import Sweep

_COMMON = ("float32", "float64", "int64", "int32")
RESULTS = Path(tempfile.gettempdir()) / "paddle_serving_operators.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the flags name."""
    parser = argparse.ArgumentParser(prog="python -m tests.compare.operators", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="cases whose name begins with it")
    parser.add_argument("--types", nargs="+", default=list(ALL), choices=ALL, help="element types (default: all)")
    parser.add_argument(
        "--library", nargs="+", default=[], help="as in a finding: openvino, onnxruntime, paddle+onednn"
    )
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time; each takes about 2 GB (default 1)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where each result goes (default: %(default)s)")
    parser.add_argument("--go_on", action="store_true", help="keep the results that are there, and do the rest")
    parser.add_argument(
        "--write", action="store_true", help="put the findings where the choice of a library reads them"
    )
    parser.add_argument(
        "--claims", action="store_true", help="say which operators a library claims that are not reached"
    )
    args = parser.parse_args(argv)
    if not args.go_on:
        args.results.write_text("")
    done = {(result["case"], result["type"]) for result in findings.read(args.results)}
    wanted = [pair for pair in _wanted(args.only, args.types) if (pair[0].name, pair[1]) not in done]
    _run(wanted, args.results, args.library, args.jobs)
    found = findings.of(findings.read(args.results))
    if args.write:
        findings.write(found)
    sys.stdout.write(findings.report(found, findings.read(args.results)) + "\n")
    if args.claims:
        sys.stdout.write(claims.report(findings.read(args.results)) + "\n")
    return 0


def _wanted(words: Sequence[str], types: Sequence[str]) -> list[tuple[Case, str]]:
    named = (
        case for case in chain(programs.cases(), onnx_models.cases()) if not words or case.name.startswith(tuple(words))
    )
    pairs = [(case, element_type) for case in named for element_type in case.types if element_type in types]
    return sorted(pairs, key=lambda pair: pair[1] not in _COMMON)  # whoever stops early has what models are made of


def _run(wanted: Sequence[tuple[Case, str]], results: Path, libraries: Sequence[str], jobs: int) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool, results.open("a") as kept:
        shares = [wanted[number::jobs] for number in range(jobs)]
        lines: Iterator[dict[str, Any]] = chain.from_iterable(
            pool.map(lambda share: list(_share(share, libraries, kept)), shares)
        )
        count = sum(1 for _ in lines)
    sys.stderr.write(f"{count} programs in {time.monotonic() - started:.0f} s\n")


def _share(share: Sequence[tuple[Case, str]], libraries: Sequence[str], kept: Any) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="paddle_serving_operators_") as scratch:
        sweep = Sweep(Path(scratch), libraries)
        try:
            for case, element_type in share:
                try:
                    result = sweep.result(case, element_type)
                except Exception as exc:  # one case that is made wrongly does not end the others
                    result = {"case": case.name, "type": element_type, "forms": {}, "failed": repr(exc)}
                kept.write(json.dumps(result) + "\n")
                kept.flush()
                yield result
        finally:
            sweep.end()


if __name__ == "__main__":
    sys.exit(main())
