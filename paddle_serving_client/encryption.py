"""Encrypted model files: made at conversion, read into memory by who has the key.

A file, numbers big-endian:

    8 bytes   magic
    u8        version, 1
    u8        what it holds: 1 the program, 2 the parameters
    u16       0
    u32       bytes of a chunk
    u64       bytes of the content
    16 bytes  the same random number in both files of a model, so that files of two models cannot be mixed
    16 bytes  salt
    16 bytes  check value
    chunks    each encrypted by AES-256-GCM, its tag of 16 bytes behind it; the nonce is the chunk's number

The key of the chunks and the check value come out of HKDF-SHA256 of the model's key, the salt, and all that stands
before the check value. So every file has a key of its own, a wrong key is told from a damaged file before anything is
decrypted, and a chunk that was changed, moved, left out or added is found.

Paddle Serving 0.9 wrote something else, which is read too: 16 random bytes, then the content in AES-CTR from that
counter, without padding, and without anything that tells a wrong key or a damaged file.

Needs `cryptography`, which is imported when it is used.
"""

import hmac
import os
import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from io import BufferedReader
from pathlib import Path
from typing import Any

from paddle_serving_client.encryption_keys import (
    KEY,
    KEY_BITS,
    checked_key,
    key_from_text,
    key_to_text,
    new_key,
    read_key,
    write_key,
)
from paddle_serving_client.errors import BadModel, MissingLibrary
from paddle_serving_client.manifest import open_regular

__all__ = [
    "KEY",
    "KEY_BITS",
    "MODEL",
    "PARAMS",
    "Head",
    "Role",
    "checked_key",
    "decrypted",
    "is_old",
    "key_from_text",
    "key_to_text",
    "new_key",
    "read_head",
    "read_key",
    "write",
    "write_key",
]

MODEL, PARAMS = "encrypt_model", "encrypt_params"
"""The names of the encrypted files in a server folder."""

_MAGIC = b"\x89PSNENC\n"
_VERSION = 1
_HEAD = struct.Struct(">8sBBHIQ16s16s")
_CHECK_BYTES = 16
_TAG_BYTES = 16
_NONCE_BYTES = 12
_KEY_BYTES = 32  # of the chunks
_CHUNK_BYTES = 1 << 20
_MAX_CHUNK_BYTES = 1 << 26
_COUNTER_BYTES = 16


class Role(IntEnum):
    """What a file holds."""

    PROGRAM = 1
    PARAMS = 2


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the chunks."""

    chunk_bytes: int
    content_bytes: int
    model: bytes
    """The random number of the model."""
    chunk_key: bytes

    def __repr__(self) -> str:
        return f"Head({self.content_bytes} bytes)"  # a key does not belong in a log


def write(parts: Sequence[Path], destination: Path, key: bytes, role: Role, model: bytes) -> None:
    """Encrypt files, one after the other, into a new one.

    Args:
        parts: the files of the content.
        destination: must not be there.
        key: the model's key.
        role: what the content is.
        model: 16 random bytes, the same for both files of a model.

    Raises:
        BadModel: a part is missing, or changes while it is read.
        MissingLibrary: `cryptography` is not installed.
    """
    cipher = _cipher()
    size = sum(part.stat().st_size for part in parts)
    head = _HEAD.pack(_MAGIC, _VERSION, role, 0, _CHUNK_BYTES, size, model, secrets.token_bytes(16))
    chunk_key, check = _derive(key, head)
    gcm = cipher.AESGCM(chunk_key)
    with destination.open("xb") as out:
        out.write(head + check)
        done = 0
        for number, chunk in enumerate(_chunks(parts)):
            out.write(gcm.encrypt(_nonce(number), chunk, None))
            done += len(chunk)
    if done != size:
        raise BadModel(f"{', '.join(map(str, parts))}: changed while it was encrypted")


def is_old(path: Path) -> bool:
    """Whether an encrypted file is one of Paddle Serving 0.9, which has no check of anything."""
    with open_regular(path) as stream:
        return stream.read(len(_MAGIC)) != _MAGIC


def read_head(path: Path, key: bytes, role: Role) -> Head:
    """The head of a file, checked against the key and the file's size.

    Raises:
        BadModel: the key does not open it, or it is no such file, or cut short.
        MissingLibrary: `cryptography` is not installed.
    """
    with open_regular(path) as stream:
        return _read_head(stream, path, key, role)


def decrypted(path: Path, key: bytes, role: Role, model: bytes | None = None) -> Iterator[bytes]:
    """The content of a file, in pieces; each was checked before it is given.

    Args:
        path: an encrypted file, also an old one.
        key: the model's key.
        role: what it is expected to hold.
        model: the number that it must have, where that is known.

    Raises:
        BadModel: the key does not open it, or it is damaged, cut short, or of another model. Of an old file only a
            length that cannot be is found.
        MissingLibrary: `cryptography` is not installed.
    """
    if is_old(path):
        yield from _decrypted_old(path, key)
        return
    with open_regular(path) as stream:
        head = _read_head(stream, path, key, role)
        if model is not None and not hmac.compare_digest(head.model, model):
            raise BadModel(f"{path}: belongs to another model than {MODEL} beside it")
        cipher = _cipher()
        gcm = cipher.AESGCM(head.chunk_key)
        left = head.content_bytes
        for number in range(_count(head.content_bytes, head.chunk_bytes)):
            length = min(left, head.chunk_bytes)
            sealed = stream.read(length + _TAG_BYTES)
            try:
                yield gcm.decrypt(_nonce(number), sealed, None)
            except cipher.InvalidTag:
                raise BadModel(f"{path}: damaged: chunk {number} was changed or moved") from None
            left -= length


def _decrypted_old(path: Path, key: bytes) -> Iterator[bytes]:
    cipher = _cipher()
    with open_regular(path) as stream:
        counter = stream.read(_COUNTER_BYTES)
        if len(counter) < _COUNTER_BYTES:
            raise BadModel(f"{path}: {len(counter)} bytes; an encrypted file has at least {_COUNTER_BYTES}")
        context = cipher.Cipher(cipher.AES(key), cipher.CTR(counter)).decryptor()
        while piece := stream.read(_CHUNK_BYTES):
            yield context.update(piece)


def _read_head(stream: BufferedReader, path: Path, key: bytes, role: Role) -> Head:
    raw = stream.read(_HEAD.size + _CHECK_BYTES)
    if len(raw) < _HEAD.size + _CHECK_BYTES:
        raise BadModel(f"{path}: cut short: {len(raw)} bytes are not even its head")
    head, check = raw[: _HEAD.size], raw[_HEAD.size :]
    magic, version, found, _, chunk_bytes, content_bytes, model, _ = _HEAD.unpack(head)
    if magic != _MAGIC:
        raise BadModel(f"{path}: not encrypted by this project")
    if version != _VERSION:
        raise BadModel(f"{path}: version {version} of encryption; this release reads {_VERSION}")
    chunk_key, expected = _derive(key, head)
    if not hmac.compare_digest(check, expected):
        raise BadModel(f"{path}: the key does not open it (or its first {len(raw)} bytes are damaged)")
    if found != role:
        raise BadModel(f"{path}: holds content of kind {found}; expected {role.value}, the {role.name.lower()}")
    if not 0 < chunk_bytes <= _MAX_CHUNK_BYTES:
        raise BadModel(f"{path}: chunks of {chunk_bytes} bytes; expected 1 to {_MAX_CHUNK_BYTES}")
    size = os.fstat(stream.fileno()).st_size
    whole = len(raw) + content_bytes + _TAG_BYTES * _count(content_bytes, chunk_bytes)
    if size != whole:
        raise BadModel(f"{path}: {size} bytes instead of {whole}: it is {'cut short' if size < whole else 'too long'}")
    return Head(chunk_bytes, content_bytes, model, chunk_key)


def _derive(key: bytes, head: bytes) -> tuple[bytes, bytes]:
    """The key of the chunks, and the check value."""
    cipher = _cipher()
    salt = head[-16:]
    made = cipher.HKDF(cipher.SHA256(), _KEY_BYTES + _CHECK_BYTES, salt, b"paddle-serving model file" + head)
    derived: bytes = made.derive(key)
    return derived[:_KEY_BYTES], derived[_KEY_BYTES:]


def _count(content_bytes: int, chunk_bytes: int) -> int:
    """How many chunks; no content has none."""
    return -(-content_bytes // chunk_bytes)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


def _chunks(parts: Sequence[Path]) -> Iterator[bytes]:
    """The content of files, one after the other, in pieces that are full but for the last."""
    waiting = b""
    for part in parts:
        with open_regular(part) as stream:
            while piece := stream.read(_CHUNK_BYTES - len(waiting)):
                waiting += piece
                if len(waiting) == _CHUNK_BYTES:
                    yield waiting
                    waiting = b""
    if waiting:
        yield waiting


class _Library:
    """What is used of `cryptography`."""

    def __init__(self) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers import Cipher
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            from cryptography.hazmat.primitives.ciphers.algorithms import AES
            from cryptography.hazmat.primitives.ciphers.modes import CTR
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ImportError as exc:
            raise MissingLibrary(
                "encrypted models need cryptography: pip install paddle-serving-next[encryption]"
            ) from exc
        self.InvalidTag: Any = InvalidTag
        self.Cipher: Any = Cipher
        self.AESGCM: Any = AESGCM
        self.AES: Any = AES
        self.CTR: Any = CTR
        self.SHA256: Any = SHA256
        self.HKDF: Any = HKDF


def _cipher() -> _Library:
    return _Library()
