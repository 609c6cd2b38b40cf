"""Cannot read anything."""

from pathlib import Path

from paddle_serving_client.model_config import ModelSpec
from tests.app.linear import Linear, Plugin

_plugin = Plugin(lambda options: Linear())
missing, version, load = _plugin.missing, _plugin.version, _plugin.load


def refuses(folder: Path, spec: ModelSpec) -> str | None:
    """Why not."""
    return "reads nothing"
