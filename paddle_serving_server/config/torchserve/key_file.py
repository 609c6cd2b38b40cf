"""The tokens of a server in TorchServe's place, in `key_file.json`: who wants to know one looks there, as there.

    {"management": {"key": ..., "expiration time": "2026-01-01T10:00:00Z"}, "inference": {...}, "API": {"key": ...}}

Any process of the server may write it anew; all look whether it has changed whenever a token comes.
"""

import functools
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

NAME: Final = "key_file.json"
"""In the folder where the server was started, as there."""
INFERENCE: Final = "inference"
MANAGEMENT: Final = "management"
API: Final = "API"
"""Of who may renew the two others; it does not expire."""
EXPIRING: Final = (MANAGEMENT, INFERENCE)
_KEY, _EXPIRES = "key", "expiration time"
_TOKEN_BYTES: Final = 24
_MAX_BYTES: Final = 4096


class KeyFile:
    """The tokens as they are now."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._keys: Mapping[str, Any] = {}

    def accepts(self, kind: str, authorization: str) -> bool:
        """Whether the header of that name has the token of a kind, and it is still valid."""
        self._look()
        scheme, _, token = authorization.partition(" ")
        known = self._keys.get(kind, {})
        right = str(known.get(_KEY, ""))
        if scheme.lower() != "bearer" or not right or not hmac.compare_digest(token.strip().encode(), right.encode()):
            return False
        expires = known.get(_EXPIRES)
        return expires is None or datetime.now(UTC) < datetime.fromisoformat(expires)

    def renew(self, kind: str, minutes: float) -> None:
        """Another token of a kind, in the place of the one there is.

        Raises:
            OSError: the file cannot be written.
        """
        self._look()
        _write(self._path, {**self._keys, kind: _expiring(minutes)})

    def _look(self) -> None:
        """Read the file if it is another one; one that is gone or damaged has no tokens."""
        try:
            about = os.stat(self._path)
            seen = (about.st_ino, about.st_mtime_ns, about.st_size)
            if seen != self._seen:
                with open(self._path, "rb") as stream:
                    keys = json.loads(stream.read(_MAX_BYTES))
                self._keys = {kind: dict(keys[kind]) for kind in (*EXPIRING, API)}
                self._seen = seen
        except (OSError, ValueError, KeyError, TypeError):
            self._keys, self._seen = {}, ()


@functools.cache
def at(path: str) -> KeyFile:
    """The one at a path."""
    return KeyFile(path)


def create(path: str, minutes: float) -> None:
    """New tokens, for who may read this file: its owner alone.

    Raises:
        OSError: it cannot be written.
    """
    _write(path, {kind: _expiring(minutes) for kind in EXPIRING} | {API: {_KEY: secrets.token_urlsafe(_TOKEN_BYTES)}})


def _expiring(minutes: float) -> dict[str, str]:
    ends = datetime.now(UTC) + timedelta(minutes=minutes)
    return {_KEY: secrets.token_urlsafe(_TOKEN_BYTES), _EXPIRES: ends.isoformat().replace("+00:00", "Z")}


def _write(path: str, keys: Mapping[str, Any]) -> None:
    """Whole or not at all: others read it meanwhile."""
    draft = Path(f"{path}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(keys, out, indent=2)
    os.replace(draft, path)
