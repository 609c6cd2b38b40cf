"""Parts of a classifier from where they lie: of this machine, of a stand-in of the hub, and of ClearML."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_serving_app.text import source
from paddle_serving_client.errors import BadConfig, BadModel, MissingLibrary
from tests.app.text.stand_ins import ClearMl, Hub
from tests.serving import ROOT
from tests.text_classifiers import FOLDER

_FETCH = """
import sys
from paddle_serving_app.text import source
from paddle_serving_client.errors import ServingError
try:
    print(source.fetched(sys.argv[1]))
except ServingError as exc:
    sys.exit(str(exc))
"""


def fetched(text: str, home: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own: the libraries read their variables when they are imported."""
    own = {**os.environ, "HOME": str(home), "HF_HOME": str(home / "hf"), "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", _FETCH, text], env=own, capture_output=True, text=True, timeout=100, check=False
    )


def test_a_path_needs_no_prefix(tmp_path: Path) -> None:
    assert source.fetched(str(FOLDER)) == source.fetched(f"local:{FOLDER}") == FOLDER
    with pytest.raises(BadModel, match="there is no such file or folder"):
        source.fetched(f"local:{tmp_path}/missing")


def test_an_unknown_prefix_is_named_with_those_there_are() -> None:
    with pytest.raises(BadConfig, match="there is no source 'wandb'; there are clearml:, hf:, local:"):
        source.fetched("wandb:x")


@pytest.mark.parametrize(("prefix", "library"), [("hf", "huggingface_hub"), ("clearml", "clearml")])
def test_a_library_that_is_missing_is_named(prefix: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibrary, match=f"pip install {library}"):
        source.fetched(f"{prefix}:a/b")


def test_the_hub_is_asked_with_the_token_once(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with Hub("somebody/helpdesk", FOLDER, ["config.json", "tokenizer.json"], token="secret") as hub:
        refused = fetched("hf:somebody/helpdesk", tmp_path, HF_ENDPOINT=hub.url)
        assert refused.returncode == 1
        assert "hf:somebody/helpdesk: " in refused.stderr
        done = fetched("hf:somebody/helpdesk", tmp_path, HF_ENDPOINT=hub.url, HF_TOKEN="secret")
        assert done.returncode == 0, done.stderr
        missing = fetched("hf:somebody/other", tmp_path, HF_ENDPOINT=hub.url, HF_TOKEN="secret")
        assert missing.returncode == 1
        assert "hf:somebody/other: " in missing.stderr
    folder = Path(done.stdout.strip())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "tokenizer.json"]
    assert (folder / "config.json").read_bytes() == (FOLDER / "config.json").read_bytes()
    offline = fetched("hf:somebody/helpdesk", tmp_path, HF_HUB_OFFLINE="1")
    assert offline.stdout == done.stdout, offline.stderr


def test_clearml_is_asked_for_a_model(tmp_path: Path) -> None:
    pytest.importorskip("clearml", reason="not among the libraries of the tests")
    with ClearMl("0123456789abcdef0123456789abcdef", FOLDER / "id2label.json") as service:
        done = fetched("clearml:0123456789abcdef0123456789abcdef", tmp_path, **service.variables)
        assert done.returncode == 0, done.stderr
        file = Path(done.stdout.strip().splitlines()[-1])
        assert json.loads(file.read_text("utf-8"))["0"] == "помощь"
        missing = fetched("clearml:00000000000000000000000000000000", tmp_path, **service.variables)
        assert missing.returncode == 1
        assert "clearml:00000000000000000000000000000000: " in missing.stderr
