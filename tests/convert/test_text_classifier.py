"""convert/text_classifier.py and scripts/make_triton_image.sh, as people start them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import ROOT
from tests.text_classifiers import FOLDER

pytest.importorskip("tokenizers", reason="it is the native tokenizer")


def convert(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "convert/text_classifier.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_parts_are_those_of_the_model_where_nothing_is_said(tmp_path: Path) -> None:
    done = convert("--model", f"local:{FOLDER}", "--output", str(tmp_path / "models"))
    assert done.returncode == 0, done.stderr
    assert f"--model-repository={tmp_path / 'models'}" in done.stdout
    assert "max_batch_size: 4" in (tmp_path / "models/ensemble_model/config.pbtxt").read_text()


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    done = convert("--model", "wandb:x", "--output", str(tmp_path / "models"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "there is no source 'wandb'" in done.stderr
    assert not (tmp_path / "models").exists()


def test_six_arguments_with_their_defaults(tmp_path: Path) -> None:
    """Docker is a script that says how it was called: what the script hands on is what is tested."""
    for name, text in {"scripts/make_triton_image.sh": "", "convert/text_classifier.py": ""}.items():
        target = tmp_path / "p" / name
        target.parent.mkdir(parents=True)
        target.write_text((ROOT / name).read_text() + text)
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text('#!/bin/sh\necho "docker $*"\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{docker.parent}:/usr/bin:/bin", "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}

    def make(*words: str) -> "subprocess.CompletedProcess[str]":
        command = ["sh", "-e", str(tmp_path / "p/scripts/make_triton_image.sh"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    parts = [str(FOLDER / "model.onnx"), str(FOLDER), str(FOLDER / "id2label.json")]
    done = make(*parts)
    assert done.returncode == 0, done.stderr
    assert "-t ensemble_model:latest" in done.stdout
    models = tmp_path / "p" / "model_repository"
    assert "max_batch_size: 4" in (models / "ensemble_model/config.pbtxt").read_text()
    done = make(*parts, "cls", "v1", "16")
    assert "-t cls:v1" in done.stdout
    assert "max_batch_size: 16" in (models / "cls/config.pbtxt").read_text()
    assert make(*parts[:2]).returncode == 2
