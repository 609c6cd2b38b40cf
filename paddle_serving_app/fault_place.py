"""Where in the files of a user something went wrong."""

import traceback
from collections.abc import Sequence
from pathlib import Path
from traceback import FrameSummary
from types import TracebackType


def place_of(raised: BaseException, folders: Sequence[Path]) -> str:
    """Where in these folders an exception comes from, as "FILE, line N"; empty: nowhere in them."""
    if isinstance(raised, SyntaxError) and raised.filename:
        return f"{raised.filename}, line {raised.lineno}"
    place = ""
    trace: TracebackType | None = raised.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if any(folder in file.parents for folder in folders):
            place = f"{file}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def frames_in(raised: BaseException, folder: Path) -> list[FrameSummary]:
    """The calls in files of a folder that led to an exception, the first one first."""
    resolved = folder.resolve()
    return [
        frame
        for frame in traceback.extract_tb(raised.__traceback__)
        if folder in (path := Path(frame.filename)).parents or resolved in path.parents
    ]


def told(raised: BaseException, folders: Sequence[Path]) -> str:
    """An exception of user code on one line, with its place."""
    place = place_of(raised, folders)
    reason = raised.msg if isinstance(raised, SyntaxError) else str(raised)
    text = f"{type(raised).__name__}: {reason}" if reason else type(raised).__name__
    return f"{place}: {text}" if place else text
