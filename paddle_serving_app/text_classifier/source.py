"""Files of a model from wherever they are: a path, or PREFIX:NAME with a module of `sources/` for the prefix."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from paddle_serving_app.text_classifier import sources
from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig


class Source(Protocol):
    """What a module of `sources/` offers."""

    def fetched(self, name: str, patterns: Sequence[str]) -> Path:
        """A folder of this machine with the files, or the one file that is meant.

        Args:
            name: what stands behind the prefix.
            patterns: the files that are needed, as `*.json`; more may come.

        Raises:
            BadModel: they cannot be had; the message says why.
            MissingLibrary: a package is not installed that is needed for it.
        """


def fetched(reference: str, patterns: Sequence[str]) -> Path:
    """The files that a reference means: `PATH`, `local:PATH`, `hf:USER/NAME`, `clearml:ID`.

    Raises:
        BadConfig: there is no such prefix. BadModel, MissingLibrary: see `Source.fetched`.
    """
    prefix, colon, name = reference.partition(":")
    if not colon or Path(reference).exists():
        prefix, name = "local", reference
    known = plugins.names(sources)
    if prefix not in known or not name:
        raise BadConfig(f"{reference}: expected a path, or one of {', '.join(f'{one}:NAME' for one in known)}")
    source: Source = plugins.load(sources, prefix)
    return source.fetched(name, patterns)
