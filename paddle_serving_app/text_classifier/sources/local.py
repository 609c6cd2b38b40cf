"""`local:PATH`: files of this machine."""

from collections.abc import Sequence
from pathlib import Path

from paddle_serving_client.errors import BadModel


def fetched(name: str, patterns: Sequence[str]) -> Path:
    """See `source.Source.fetched`: the path as it is."""
    path = Path(name).expanduser()
    if not path.exists():
        raise BadModel(f"{path}: there is no such file or folder")
    return path
