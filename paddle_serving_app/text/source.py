"""A part of a text classifier, fetched from where PREFIX:ADDRESS says."""

from pathlib import Path

from paddle_serving_app.text import sources
from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig

_USUAL = "local"


def fetched(text: str) -> Path:
    """The folder or file; a text without a known prefix is a path of this machine.

    Raises:
        BadConfig: there is no such prefix.
        BadModel: nothing is there, or it cannot be had. MissingLibrary: see the module of the prefix.
    """
    prefix, colon, address = text.partition(":")
    if not colon or Path(text).exists():
        prefix, address = _USUAL, text
    if prefix not in plugins.names(sources):
        known = ", ".join(f"{name}:" for name in plugins.names(sources))
        raise BadConfig(f"{text}: there is no source {prefix!r}; there are {known}")
    found: Path = plugins.load(sources, prefix).fetched(address)
    return found
