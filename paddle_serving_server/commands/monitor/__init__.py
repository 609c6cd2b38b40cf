"""Keeping a model folder up to date: `python -m paddle_serving_server.monitor`."""
