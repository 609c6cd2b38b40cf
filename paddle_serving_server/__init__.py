"""Serve trained models: engines, services, protocols on one port, and the processes that keep them up."""

from paddle_serving_client import __version__ as __version__
