"""Pipelines of PaddleX: what their YAML says, and the operations that callers know them by."""
