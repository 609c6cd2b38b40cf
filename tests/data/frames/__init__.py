"""Bytes that Paddle Serving 0.9.0 clients sent and accepted; README.md says what each file is."""

from pathlib import Path


def read(name: str) -> bytes:
    """One recorded file."""
    return (Path(__file__).parent / name).read_bytes()
