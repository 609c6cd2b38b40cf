"""The contract of a served model, and those who call it: clients, model configs, wire formats, conversion."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle_serving_client.client import Client
    from paddle_serving_client.httpclient import HttpClient
    from paddle_serving_client.multilang import MultiLangClient
    from paddle_serving_client.services.client import connect

__all__ = ["Client", "HttpClient", "MultiLangClient", "__version__", "connect"]
__version__ = "1.0.0a1"

_MODULES = {
    "Client": "client",
    "HttpClient": "httpclient",
    "MultiLangClient": "multilang",
    "connect": "services.client",
}


def __getattr__(name: str) -> object:
    """Import a client when it is asked for, so that nobody else pays for numpy and protobuf."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
