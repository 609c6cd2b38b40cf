"""The tokens of a server in TorchServe's place, and what is kept for its next start, without a server."""

import json
from pathlib import Path

import pytest

from paddle_serving_server.config.torchserve import java_properties, key_file
from paddle_serving_server.config.torchserve.key_file import API, INFERENCE, MANAGEMENT, KeyFile


def sent(path: Path, kind: str) -> str:
    return f"Bearer {json.loads(path.read_text())[kind]['key']}"


def test_tokens(tmp_path: Path) -> None:
    path = tmp_path / "key_file.json"
    key_file.create(str(path), 1)
    keys = KeyFile(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    for kind in (INFERENCE, MANAGEMENT, API):
        assert keys.accepts(kind, sent(path, kind))
        assert not keys.accepts(kind, sent(path, kind) + "x")
        assert not keys.accepts(kind, "Bearer ")
        assert not keys.accepts(kind, "")
    assert not keys.accepts(INFERENCE, sent(path, MANAGEMENT))
    before = sent(path, INFERENCE)
    KeyFile(str(path)).renew(INFERENCE, 1)
    assert (keys.accepts(INFERENCE, before), keys.accepts(INFERENCE, sent(path, INFERENCE))) == (False, True)
    assert keys.accepts(MANAGEMENT, sent(path, MANAGEMENT))
    keys.renew(INFERENCE, -1)
    assert not keys.accepts(INFERENCE, sent(path, INFERENCE))
    assert keys.accepts(API, sent(path, API))


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"management": {"key": ""}}', "x" * 5000])
def test_a_file_that_has_no_tokens_lets_nobody_in(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "key_file.json"
    key_file.create(str(path), 1)
    keys, was = KeyFile(str(path)), sent(path, API)
    assert keys.accepts(API, was)
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert not keys.accepts(API, was)
    assert not keys.accepts(API, "Bearer ")


def test_properties_are_read_as_they_were_written() -> None:
    settings = {"a": "1", "b c=:": "x", "models": '{"m": "\\n"}', "path": " C:\\x\\", "lines": "a\nb\tc", "hash": "#no"}
    assert java_properties.parse(java_properties.write(settings), "x") == {**settings, "path": "C:\\x\\"}
