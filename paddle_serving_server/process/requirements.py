"""What the processes of a server import, and a client's installation lacks."""

import importlib.util
from typing import Final

from paddle_serving_client.errors import MissingLibrary

_PACKAGES: Final = ("uvloop", "httptools", "hpack", "orjson", "yaml")


def check() -> None:
    """Say at once what is missing, and not in the traceback of a child.

    Raises:
        MissingLibrary: a package is not installed.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingLibrary(f"{', '.join(missing)} not installed: pip install 'paddle-serving-next[server]'")
