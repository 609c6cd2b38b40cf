"""The import names of TorchServe that handlers use, where TorchServe itself is not installed."""

__version__ = "0.12.0"
