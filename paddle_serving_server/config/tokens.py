"""The token of those who may change a server, as a file holds it."""

from pathlib import Path
from typing import Final

from paddle_serving_client.errors import BadConfig

_SHORTEST: Final = 16


def read(file: str) -> str:
    """The token in a file, on one line.

    Raises:
        BadConfig: it cannot be read, or is too short to be one.
    """
    try:
        token = Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadConfig(f"--manage_token_file {file} cannot be read: {exc}") from exc
    if len(token) < _SHORTEST or not token.isprintable() or " " in token:
        what = f"a token of at least {_SHORTEST} letters, digits and signs, on one line"
        raise BadConfig(f"--manage_token_file {file} has to hold {what}")
    return token


def header(token: str) -> dict[str, str]:
    """What to send for a token; for none, nothing."""
    return {"Authorization": f"Bearer {token}"} if token else {}
