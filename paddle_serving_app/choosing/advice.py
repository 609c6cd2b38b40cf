"""What might run a model faster, if it were installed: one line for the log."""

from pathlib import Path
from typing import cast

from paddle_serving_app import backends, paddle_to_onnx
from paddle_serving_app.backend import Plugin
from paddle_serving_client import plugins
from paddle_serving_client.model_config import ModelSpec

_REFERENCE = "paddle"
"""It is there to be compared with, and seldom the fastest."""


def on_missing(folder: Path, spec: ModelSpec) -> str | None:
    """Which libraries were not tried for want of something that can be had, and how to get it; None where all were.

    Args:
        folder: of the model, readable.
        spec: its config.
    """
    if any(feed.is_lod for feed in spec.feeds):  # which only the reference has
        return None
    lacks = paddle_to_onnx.lacks(folder)
    reasons: dict[str, None] = {}
    for name in plugins.names(backends):
        plugin = cast(Plugin, plugins.load(backends, name))
        if name == _REFERENCE:
            continue
        if (missing := plugin.missing()) is not None:
            reasons[missing] = None
        elif lacks is not None and plugin.refuses(folder, spec) is not None:
            reasons[lacks] = None
    return "; ".join(reasons) or None
