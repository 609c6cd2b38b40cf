"""A web server, HTTP or HTTPS. Only the hosts that were allowed are asked, also when one of them sends us on."""

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from paddle_serving_client.errors import BadConfig, BadModel, ServingError, Unreachable
from paddle_serving_server.commands.monitor import source
from paddle_serving_server.commands.monitor.source import Remote

_NOT_FOUND = (404, 410)


def check(remote: Remote) -> None:
    """See `Source.check`."""
    parts = urllib.parse.urlsplit(_url(remote, ""))
    if not remote.general_host or not parts.hostname:
        raise BadConfig("--type general needs --general_host, such as https://models.example.com")
    if not remote.is_archive:
        raise BadConfig("--type general gets one file, a tar archive: say what is in it with --unpacked_filename")
    _check_host(remote, _url(remote, ""))


def stamp(remote: Remote) -> str | None:
    """See `Source.stamp`."""
    with _opened(remote, remote.donefile) as reply:
        if reply is None:
            return None
        content = reply.read(source.MAX_STAMP_BYTES)
        said = [reply.headers.get(name, "") for name in ("ETag", "Last-Modified")]
    return " ".join([*said, hashlib.sha256(content).hexdigest()])


def fetch(remote: Remote, into: Path) -> None:
    """See `Source.fetch`."""
    with _opened(remote, remote.model) as reply:
        if reply is None:
            raise Unreachable(f"{_url(remote, remote.model)}: there is no such file")
        length = reply.headers.get("Content-Length", "")
        expected = int(length) if length.isascii() and length.isdigit() else None
        if expected is not None and expected > remote.max_bytes:
            raise BadModel(f"{remote.model_name}: {expected} bytes, more than {remote.max_bytes} (--max_bytes)")
        source.save(cast(IO[bytes], reply), into, remote.max_bytes, expected)


@contextmanager
def _opened(remote: Remote, path: str) -> Iterator[Any]:
    """The reply to a GET; None where there is no such thing."""
    url = _url(remote, path)
    opener = urllib.request.build_opener(_Redirects(remote))
    try:
        with opener.open(urllib.request.Request(url), timeout=source.TIMEOUT_S) as reply:
            yield reply
    except ServingError:
        raise
    except urllib.error.HTTPError as exc:
        exc.close()
        if exc.code not in _NOT_FOUND:
            raise Unreachable(f"{url}: status {exc.code}") from exc
        yield None
    except urllib.error.URLError as exc:
        raise Unreachable(f"{url}: {exc.reason}") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise Unreachable(f"{url}: {exc or type(exc).__name__}") from exc


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Only where we may ask, and never from HTTPS to HTTP."""
        _check_host(self._remote, newurl)
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise Unreachable(f"{req.full_url} sends us to {newurl[:128]}, which is not HTTPS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_host(remote: Remote, url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise Unreachable(f"{url[:128]}: only http:// and https:// are asked")
    if (parts.hostname or "") not in (*remote.allowed_hosts, urllib.parse.urlsplit(_url(remote, "")).hostname):
        raise Unreachable(f"{url[:128]}: {parts.hostname} is not among the allowed hosts (--allow_host)")


def _url(remote: Remote, path: str) -> str:
    host = remote.general_host if "://" in remote.general_host else f"http://{remote.general_host}"
    return f"{host.rstrip('/')}/{urllib.parse.quote(path.lstrip('/'))}"
