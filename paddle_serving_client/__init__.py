"""The contract of a served model, and those who call it: `Client`, model configs, wire formats, conversion."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle_serving_client.client import Client

__all__ = ["Client", "__version__"]
__version__ = "1.0.0a1"


def __getattr__(name: str) -> object:
    """Import `Client` when it is asked for, so that nobody else pays for numpy and protobuf."""
    if name == "Client":
        from paddle_serving_client.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
