"""Serve trained models: engines, services, protocols on one port, and the processes that keep them up."""

import importlib
from typing import TYPE_CHECKING, Any

from paddle_serving_client import __version__ as __version__

if TYPE_CHECKING:
    from paddle_serving_server.commands.builders import MultiLangServer, Server
    from paddle_serving_server.commands.op_makers import OpGraphMaker, OpMaker, OpSeqMaker

__all__ = ["MultiLangServer", "OpGraphMaker", "OpMaker", "OpSeqMaker", "Server", "__version__"]


def __getattr__(name: str) -> Any:
    """The builders are imported when they are asked for: most who import this package ask for something else."""
    if name in __all__:
        module = "builders" if name.endswith("Server") else "op_makers"
        return getattr(importlib.import_module(f"paddle_serving_server.commands.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
