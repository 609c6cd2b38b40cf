"""The keys of encrypted models: made, read from files and texts, and written where only their owner reads them."""

import base64
import binascii
import os
import secrets
from pathlib import Path

from paddle_serving_client.errors import BadConfig

KEY = "key"
"""Where a new key is written, unless another file is named."""
KEY_BITS = (128, 192, 256)


def new_key(bits: int = 128) -> bytes:
    """A random key.

    Raises:
        BadConfig: not one of `KEY_BITS`.
    """
    if bits not in KEY_BITS:
        raise BadConfig(f"key_len must be one of {', '.join(map(str, KEY_BITS))} bits, got {bits}")
    return secrets.token_bytes(bits // 8)


def read_key(file: str | Path) -> bytes:
    """A key from its file: 16, 24 or 32 raw bytes.

    Raises:
        BadConfig: there is no such file, or it holds no key.
    """
    try:
        with open(file, "rb") as stream:
            return checked_key(stream.read(max(KEY_BITS) // 8 + 1), str(file))
    except OSError as exc:
        raise BadConfig(f"the key file {file} cannot be read: {exc.strerror}") from exc


def checked_key(key: bytes, source: str) -> bytes:
    """The same key; raises BadConfig where its length is none that a key has. The message names `source`."""
    if len(key) * 8 not in KEY_BITS:
        most = max(KEY_BITS) // 8
        length = f"more than {most}" if len(key) > most else str(len(key))
        raise BadConfig(f"{source}: {length} bytes; a key has {', '.join(str(bits // 8) for bits in KEY_BITS)}")
    return key


def key_from_text(text: str, source: str) -> bytes:
    """A key from base64; raises BadConfig where it is none."""
    try:
        return checked_key(base64.b64decode(text, validate=True), source)
    except (binascii.Error, ValueError) as exc:
        raise exc if isinstance(exc, BadConfig) else BadConfig(f"{source}: not base64") from None


def key_to_text(key: bytes) -> str:
    """A key as base64."""
    return base64.b64encode(key).decode()


def write_key(file: str | Path, key: bytes) -> None:
    """Write a new key to a new file, which only its owner may read.

    Raises:
        BadConfig: the file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as exc:
        raise BadConfig(f"the key file {file} cannot be written: {exc.strerror}") from exc
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(descriptor)  # without it, what it encrypts would be lost
