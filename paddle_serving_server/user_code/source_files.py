"""Which files the code of services came from, and where in them something went wrong."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

MOST_FILES: Final = 500
"""Of one server that are watched; a service is a few."""


def loaded_from(service_files: Sequence[str]) -> list[str]:
    """The service files, and the modules that were imported from their folders so far; absolute paths."""
    files = [Path(file).resolve() for file in service_files]
    folders = {file.parent for file in files}
    found = dict.fromkeys(map(str, files))
    for module in list(sys.modules.values()):
        origin = getattr(module, "__file__", None)
        if origin and origin.endswith(".py") and any(folder in Path(origin).parents for folder in folders):
            found.setdefault(origin)
    return list(found)[:MOST_FILES]


def place_of(raised: BaseException, service_files: Sequence[str]) -> str:
    """Where in the files of services an exception comes from, as "FILE, line N"; empty: nowhere in them."""
    if isinstance(raised, SyntaxError) and raised.filename:
        return f"{raised.filename}, line {raised.lineno}"
    folders = [str(Path(file).resolve().parent) for file in service_files]
    place = ""
    trace: TracebackType | None = raised.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if any(file.startswith(f"{folder}/") for folder in folders):
            place = f"{file}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place
