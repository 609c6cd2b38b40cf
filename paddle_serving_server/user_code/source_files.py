"""Which files the code of services came from."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
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


def digest(service_file: str) -> str:
    """Differs whenever the code that a service file has run by now is another."""
    found = hashlib.sha256()
    for file in sorted(loaded_from([service_file])):
        try:
            found.update(f"{file}\n".encode() + hashlib.sha256(Path(file).read_bytes()).digest())
        except OSError:  # it was there a moment ago
            found.update(b"gone")
    return found.hexdigest()
