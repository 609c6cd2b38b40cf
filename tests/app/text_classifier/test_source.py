"""Where the files of a model come from: this machine, a hub that a small server stands in for, and ClearML likewise."""

import json
import sys
import threading
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from paddle_serving_app.text_classifier import source
from paddle_serving_client.errors import BadConfig, BadModel, MissingLibrary

DATA = Path(__file__).resolve().parents[2] / "data" / "text_classifier"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    """Answers as the Hugging Face Hub does, for one repository with two files."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        if "/somebody/classifier" not in self.path:
            body, status = b'{"error":"Repository not found"}', 404
        elif self.path.startswith("/api/"):
            about = {"id": "somebody/classifier", "sha": _COMMIT, "siblings": [{"rfilename": f} for f in _FILES]}
            tree = [{"type": "file", "path": f, "size": (DATA / f).stat().st_size, "oid": "0" * 40} for f in _FILES]
            body, status = json.dumps(tree if "/tree/" in self.path else about).encode(), 200
        else:
            body, status = (DATA / name).read_bytes(), 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{len(body)}"')
        self.send_header("X-Repo-Commit", _COMMIT)
        self.send_header("X-Seen-Token", self.headers.get("Authorization", ""))
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        _TOKENS.add(self.headers.get("Authorization", ""))
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


_FILES = ("config.json", "tokenizer.json")
_TOKENS: set[str] = set()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    constants = pytest.importorskip("huggingface_hub.constants")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield
    server.shutdown()
    server.server_close()


def test_a_repository_of_the_hub(hub: None) -> None:
    folder = source.fetched("hf:somebody/classifier", ["*.json"])
    assert sorted(path.name for path in folder.iterdir()) == list(_FILES)
    assert (folder / "tokenizer.json").read_bytes() == (DATA / "tokenizer.json").read_bytes()
    assert "Bearer hf_secret" in _TOKENS
    with pytest.raises(BadModel, match="hf:nobody/nothing: "):
        source.fetched("hf:nobody/nothing", ["*.json"])


def test_paths_with_and_without_a_prefix(tmp_path: Path) -> None:
    assert source.fetched(str(DATA), []) == source.fetched(f"local:{DATA}", []) == DATA
    with pytest.raises(BadModel, match="there is no such file or folder"):
        source.fetched(f"local:{tmp_path / 'no'}", [])
    with pytest.raises(BadConfig, match="expected a path, or one of clearml:NAME, hf:NAME, local:NAME"):
        source.fetched("wandb:thing", [])


def test_a_model_of_clearml(monkeypatch: pytest.MonkeyPatch) -> None:
    if "clearml" not in sys.modules:
        monkeypatch.setitem(sys.modules, "clearml", None)
        with pytest.raises(MissingLibrary, match="pip install clearml"):
            source.fetched("clearml:0123", [])

    class InputModel:
        def __init__(self, model_id: str) -> None:
            self.model_id = model_id

        def get_local_copy(self, raise_on_error: bool) -> str | None:
            if self.model_id == "gone":
                raise ValueError("no such model")
            return str(DATA) if self.model_id == "0123" else None

    module = types.ModuleType("clearml")
    module.InputModel = InputModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clearml", module)
    assert source.fetched("clearml:0123", []) == DATA
    for name, text in (("gone", "ValueError: no such model"), ("empty", "has no files of this model")):
        with pytest.raises(BadModel, match=f"clearml:{name}: .*{text}"):
            source.fetched(f"clearml:{name}", [])
