"""`local:PATH`: a folder or file of this machine."""

from pathlib import Path

from paddle_serving_client.errors import BadModel


def fetched(address: str) -> Path:
    """The path itself.

    Raises:
        BadModel: there is nothing.
    """
    path = Path(address).expanduser()
    if not path.exists():
        raise BadModel(f"local:{address}: there is no such file or folder")
    return path
