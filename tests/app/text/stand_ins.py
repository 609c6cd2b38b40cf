"""Small servers that answer as the services do, of which a classifier's parts come."""

import base64
import hashlib
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

COMMIT = "0123456789012345678901234567890123456789"


class _Service:
    """Answers with what `answer` says: status, headers, body."""

    def __init__(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length)
                status, headers, body = service.answer(self.path, dict(self.headers), sent)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def answer(self, path: str, headers: dict[str, str], sent: bytes) -> tuple[int, dict[str, str], bytes]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Hub(_Service):
    """One repository of the Hugging Face Hub."""

    def __init__(self, name: str, folder: Path, files: Sequence[str], token: str) -> None:
        super().__init__()
        self._name, self._folder, self._files, self._token = name, folder, files, token

    def answer(self, path: str, headers: dict[str, str], sent: bytes) -> tuple[int, dict[str, str], bytes]:
        asked = {name.lower(): value for name, value in headers.items()}
        if asked.get("authorization") != f"Bearer {self._token}" or f"/{self._name}" not in path:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        path = path.partition("?")[0]
        if path.startswith("/api/"):
            sizes = [(name, (self._folder / name).stat().st_size) for name in self._files]
            siblings = [{"rfilename": name, "size": size} for name, size in sizes]
            if "/tree/" in path:
                tree = [{"type": "file", "path": name, "size": size, "oid": "a" * 40} for name, size in sizes]
                return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()
            about = {"id": self._name, "sha": COMMIT, "siblings": siblings}
            return 200, {"Content-Type": "application/json"}, json.dumps(about).encode()
        body = (self._folder / path.rpartition("/")[2]).read_bytes()
        return 200, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": COMMIT}, body


class ClearMl(_Service):
    """One model of ClearML with one file."""

    def __init__(self, number: str, file: Path) -> None:
        super().__init__()
        self._number, self._file = number, file
        self._served = f"/files/{file.name}"

    @property
    def variables(self) -> dict[str, str]:
        """What its library is told by."""
        hosts = {f"CLEARML_{kind}_HOST": self.url for kind in ("API", "WEB", "FILES")}
        return {**hosts, "CLEARML_API_ACCESS_KEY": "key", "CLEARML_API_SECRET_KEY": "secret"}

    def answer(self, path: str, headers: dict[str, str], sent: bytes) -> tuple[int, dict[str, str], bytes]:
        if path == self._served:
            return 200, {}, self._file.read_bytes()
        data: dict[str, object] = {}
        if "auth.login" in path:
            data = {"token": _token()}
        elif "models." in path and self._number.encode() in sent:
            model = {"id": self._number, "name": "labels", "uri": self.url + self._served, "ready": True}
            data = {"model": model, "models": [model]}
        meta = {"id": "1", "trx": "1", "result_code": 200, "result_subcode": 0, "result_msg": "OK"}
        return 200, {"Content-Type": "application/json"}, json.dumps({"meta": meta, "data": data}).encode()


def _token() -> str:
    parts = [{"alg": "none"}, {"exp": 9_999_999_999, "api_version": "2.28", "server_version": "2.0.0", "env": ""}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2ln"])
