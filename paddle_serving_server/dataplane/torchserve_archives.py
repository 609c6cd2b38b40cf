"""Where the archive of a registration comes from: the store, an address that the operator allows, or the caller.

What is fetched or sent lies in a folder of the store, under the digest of its content, as long as a model uses it.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from paddle_serving_server.config.torchserve.rules import StoreRules
from paddle_serving_server.dataplane.torchserve_refused import Refused
from paddle_serving_server.services.model_status import ModelStatus

FETCHED: Final = ".fetched"
"""The folder in the store."""
MAX_BYTES: Final = 16 << 30
LONGEST_S: Final = 600.0
"""For all of an archive."""
_MAX_URL: Final = 2048
_REDIRECTS: Final = 5
_STALL_S: Final = 30.0
_CHUNK_BYTES: Final = 1 << 20
_held: Final[set[Path]] = set()
"""What was fetched, and is being registered."""
_SCHEMES: Final = ("http://", "https://")
_FILE: Final = "file://"


async def found(rules: StoreRules, url: str, content: bytes | memoryview) -> Path:
    """The archive that is meant.

    Args:
        rules: of the server.
        url: a name in the store, or an address; empty: it is `content`.
        content: what the caller sent.

    Raises:
        Refused: there is none, it may not be had, or it cannot be.
    """
    if not url and content:
        return await asyncio.to_thread(_kept, rules, [content])
    if not url:
        raise Refused(400, "BadRequestException", "Parameter url is required.")
    if ".." in url or ".." in unquote(url):
        raise Refused(404, "ModelNotFoundException", f"Relative path is not allowed in url: {url[:256]}")
    if "://" in url and _is_allowed(rules.allowed_urls, url):
        if url.startswith(_FILE):
            return _present(Path(unquote(url.removeprefix(_FILE))), url)
        return await asyncio.to_thread(_fetched, rules, url)
    if "://" in url and rules.allowed_urls:
        text = f"Given URL {url[:256]} does not match any allowed URL(s)"
        raise Refused(404, "ModelNotFoundException", text)
    if not rules.store or url.startswith("/") or "://" in url or "\0" in url:
        raise Refused(404, "ModelNotFoundException", f"Model not found at: {url[:256]}")
    return _present(Path(rules.store) / url, url)


def drop_unused(rules: StoreRules, statuses: Iterable[ModelStatus]) -> None:
    """Remove what was fetched and is used no more."""
    if not (folder := Path(rules.store) / FETCHED).is_dir():
        return
    used = {path for status in statuses if status.model is not None for _, path in status.model.paths}
    for path in folder.glob("*.mar"):
        if str(path) not in used and path not in _held:
            path.unlink(missing_ok=True)


def let_go(rules: StoreRules, path: Path, statuses: Iterable[ModelStatus]) -> None:
    """An archive is registered, or is not to be."""
    _held.discard(path)
    drop_unused(rules, statuses)


def _is_allowed(patterns: Sequence[str], url: str) -> bool:
    """Whether an address is one of the operator's; patterns stand for all of it."""
    if len(url) > _MAX_URL or not url.startswith((*_SCHEMES, _FILE)) or not url.isprintable():
        return False
    return any(re.fullmatch(pattern, url) for pattern in patterns)


def _present(path: Path, url: str) -> Path:
    try:
        if path.exists():
            return path
    except (OSError, ValueError):
        pass
    raise Refused(404, "ModelNotFoundException", f"Model not found at: {url[:256]}")


def _fetched(rules: StoreRules, url: str) -> Path:
    """Fetch an archive; every redirect has to be allowed as well, and proxy settings play no part."""
    until = time.monotonic() + LONGEST_S
    address = url
    try:
        with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=10.0, read=_STALL_S)) as pool:
            for _ in range(_REDIRECTS + 1):
                with contextlib.closing(pool.request("GET", address, preload_content=False, redirect=False)) as reply:
                    if reply.status in (301, 302, 303, 307, 308):
                        address = _redirected(rules, url, address, reply.headers.get("location", ""))
                        continue
                    if reply.status != 200:
                        raise _failed(url, f"it answered {reply.status}")
                    return _kept(rules, _in_time(reply.stream(_CHUNK_BYTES), url, until))
    except urllib3.exceptions.HTTPError as exc:
        raise _failed(url, str(exc)[:256]) from exc
    raise _failed(url, f"more than {_REDIRECTS} redirects")


def _redirected(rules: StoreRules, url: str, at: str, location: str) -> str:
    target = urljoin(at, location)
    if not location or target.startswith(_FILE) or not _is_allowed(rules.allowed_urls, target):
        raise _failed(url, f"it leads to {target[:256]}, which allowed_urls does not have")
    return target


def _in_time(pieces: Iterable[bytes], url: str, until: float) -> Iterable[bytes]:
    for piece in pieces:
        if time.monotonic() > until:
            raise _failed(url, f"it takes longer than {LONGEST_S:.0f} s")
        yield piece


def _kept(rules: StoreRules, pieces: Iterable[bytes | memoryview]) -> Path:
    """An archive in the store, whole or not there."""
    if not rules.store:
        raise Refused(400, "BadRequestException", "there is no model store to keep an archive in: --model-store")
    folder = Path(rules.store) / FETCHED
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as draft:
            try:
                path = folder / f"{_written(pieces, draft)}.mar"
                _held.add(path)
                os.replace(draft.name, path)
            except BaseException:
                os.unlink(draft.name)
                raise
    except OSError as exc:
        text = f"the archive cannot be kept in the model store: {exc.strerror}"
        raise Refused(507 if exc.errno == 28 else 500, "InternalServerException", text) from exc
    return path


def _written(pieces: Iterable[bytes | memoryview], draft: "IO[bytes]") -> str:
    digest, count = hashlib.sha256(), 0
    for piece in pieces:
        count += len(piece)
        if count > MAX_BYTES:
            raise Refused(400, "DownloadArchiveException", f"an archive has at most {MAX_BYTES} bytes")
        digest.update(piece)
        draft.write(piece)
    return digest.hexdigest()


def _failed(url: str, why: str) -> Refused:
    host = urlsplit(url).hostname
    return Refused(400, "DownloadArchiveException", f"Failed to download archive from: {url[:256]} ({host}): {why}")
