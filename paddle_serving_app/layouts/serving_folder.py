"""A Serving folder: a model with the config that says what its inputs and outputs are called; nothing is to be done."""

from pathlib import Path

from paddle_serving_client import manifest, model_config

LOOKS_FOR = f"a Serving folder, which has {model_config.SERVER_CONFIG}"
YIELDS_TO = ()
"""Whatever else lies in it: its config says which model it serves."""


def claims(path: Path) -> bool:
    """The config says that it is one; so does what conversion writes beside it, where the config is lost or to come."""
    if any((path / name).is_file() for name in (model_config.SERVER_CONFIG, model_config.SERVER_STREAM)):
        return True
    return manifest.is_ours(path)


def served(path: Path) -> Path:
    """Itself."""
    return path


def name_of(path: Path) -> str:
    """Its own name."""
    return path.resolve().name
