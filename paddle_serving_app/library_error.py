"""Errors of inference libraries, made fit to be shown: one line of valid text, without addresses, of bounded length."""

import contextlib
import re
from collections.abc import Iterator

from paddle_serving_client.errors import ServingError

_MAX_CHARS = 500
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
_NOISE = re.compile(r"In user code:|\(at /paddle/[^)]*\)|(Exception from|failed at) src/\S+:?|-{10,}")


def text_of(exc: BaseException | str) -> str:
    """What a library said, on one line.

    Its messages may span lines, hold raw bytes of a damaged file, memory addresses and places in its own source.
    """
    text = str(exc)[: 8 * _MAX_CHARS].encode("utf-8", "replace").decode("utf-8")
    text = _ADDRESS.sub("0x...", _NOISE.sub(" ", text))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(text) > _MAX_CHARS:
        text = text[: _MAX_CHARS - 3] + "..."
    return text or (type(exc).__name__ if isinstance(exc, BaseException) else "no message")


@contextlib.contextmanager
def raised_as(error: type[ServingError], what: str) -> Iterator[None]:
    """Raise whatever the block raises as `error`, with `what` before the library's message; our own errors pass."""
    try:
        yield
    except ServingError:
        raise
    except Exception as exc:
        raise error(f"{what}: {text_of(exc)}") from exc
