"""Vocabularies and dictionaries: local text files that lie beside a trained model, read with limits."""

import os
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_client.errors import BadConfig

MAX_BYTES = 64 << 20
MAX_LINES = 4_000_000
"""The largest vocabulary known, of Senta, has 1.3 million words in 22 MB."""


def read_lines(path: str | os.PathLike[str], what: str) -> list[str]:
    """The lines of a UTF-8 file, without line ends of any kind and without a byte order mark.

    Args:
        path: at most `MAX_BYTES` and `MAX_LINES`.
        what: for errors: what the file is, how its lines look, and where one finds such a file.

    Raises:
        BadConfig: it cannot be read, is no UTF-8 text, is empty or too large.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise BadConfig(f"{path} cannot be read: {exc.strerror}; expected {what}") from exc
    if len(raw) > MAX_BYTES or raw.count(b"\n") > MAX_LINES:
        raise BadConfig(f"{path} has more than {MAX_BYTES >> 20} MiB or {MAX_LINES:,} lines; expected {what}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadConfig(f"{path} is not UTF-8 text (byte {exc.start}); expected {what}") from exc
    if not text or "\0" in text:
        raise BadConfig(f"{path} {'is no text' if text else 'is empty'}; expected {what}")
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def read_pairs(path: str | os.PathLike[str], what: str) -> Iterator[tuple[str, str]]:
    """The lines that are two fields with a tab between them; others are passed over."""
    for line in read_lines(path, what):
        fields = line.split("\t")
        if len(fields) == 2:
            yield fields[0], fields[1]


def number(text: str, path: str | os.PathLike[str], line: int | str, what: str) -> int:
    """A number of a file; `line` is counted from 1, or is the line itself."""
    try:
        return int(text)
    except ValueError as exc:
        raise BadConfig(f"{path}, line {line}: {text[:40]!r} is no number; expected {what}") from exc
