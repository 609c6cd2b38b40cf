"""PROFILE lines of clients and pipelines as a trace that Perfetto and chrome://tracing open.

    FLAGS_profile_client=1 FLAGS_profile_server=1 python client.py 2> profile.log
    python -m paddle_serving_app.trace --profile_file profile.log --trace_file trace

A line is `PROFILE`, a tab, `pid:N`, a tab, and pairs `NAME_0:us NAME_1:us`. Other lines are skipped; so is half a pair,
and what took no time. Each line is a track of its own, as Paddle Serving made it; spans that neither nest nor follow
each other, as those of ops that run side by side, have further tracks.
"""

import argparse
import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

_LINE: Final = re.compile(r"PROFILE\tpid:(\d{1,10})\t(.*)")
_MOMENT: Final = re.compile(r"(\S+)_([01]):(\d{1,19})(?:\s|$)")


def events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The begin and end of each span, in the order in which they nest."""
    tids = itertools.count()
    for number, (pid, text) in enumerate(_profiles(lines)):
        spans = _spans(text)
        while spans:
            tid = next(tids)
            yield {"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": f"line {number}"}}
            nested, spans = _nested(spans)
            for moment, is_begin, _, name in sorted(end for span in nested for end in _ends(span)):
                yield {"name": name, "ph": "B" if is_begin else "E", "ts": moment, "pid": pid, "tid": tid}


def _profiles(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        if found := _LINE.search(line):  # a logger may have put something in front
            yield int(found[1]), found[2]


def _spans(text: str) -> list[tuple[int, int, str]]:
    """Start, minus end and name of the spans of a line: in this order an outer one comes before those in it."""
    begun: dict[str, int] = {}
    found = []
    for name, end, digits in _MOMENT.findall(text):
        if end == "0":
            begun[name] = int(digits)
        elif (began := begun.pop(name, None)) is not None and began < int(digits):
            found.append((began, -int(digits), name))
    return sorted(found)


def _nested(spans: Sequence[tuple[int, int, str]]) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    """Those that lie in each other or apart, and the rest."""
    nested: list[tuple[int, int, str]] = []
    rest: list[tuple[int, int, str]] = []
    until: list[int] = []
    for began, minus_end, name in spans:
        while until and until[-1] <= began:
            until.pop()
        is_inside = not until or -minus_end <= until[-1]
        (nested if is_inside else rest).append((began, minus_end, name))
        if is_inside:
            until.append(-minus_end)
    return nested, rest


def _ends(span: tuple[int, int, str]) -> Iterator[tuple[int, bool, int, str]]:
    """Both ends, to be sorted: at one moment spans end before others begin; longer ones begin first and end last."""
    began, minus_end, name = span
    yield began, True, minus_end, name
    yield -minus_end, False, -began, name


def main(argv: Sequence[str] | None = None) -> int:
    """Turn one file into the other."""
    parser = argparse.ArgumentParser(prog="python -m paddle_serving_app.trace", description=__doc__.split("\n")[0])
    parser.add_argument("--profile_file", required=True, help="what a client or a server wrote to stderr")
    parser.add_argument("--trace_file", default="trace", help="the file to write (default trace)")
    arguments = parser.parse_args(argv)
    try:
        with Path(arguments.profile_file).open(encoding="utf-8", errors="replace") as lines:
            found = list(events(lines))
        if not found:
            print(f"{arguments.profile_file} has no PROFILE lines", file=sys.stderr)  # noqa: T201  # a command
            return 1
        Path(arguments.trace_file).write_text(json.dumps({"traceEvents": found}), encoding="utf-8")
    except OSError as exc:
        print(exc, file=sys.stderr)  # noqa: T201
        return 1
    print(f"{arguments.trace_file}: {sum(event['ph'] == 'B' for event in found)} spans")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
