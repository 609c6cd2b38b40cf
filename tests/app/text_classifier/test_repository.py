"""Classifiers of texts: tokens and scores beside those of transformers, repositories, what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert import text_classifier as recipe
from paddle_serving_app import handler
from paddle_serving_app.handler import Failure, Handler, HandlerContext, HandlerRequest
from paddle_serving_app.text_classifier import class_names, repository, tokenizer_files
from paddle_serving_app.triton import repository as repositories
from paddle_serving_client.errors import BadConfig, BadModel, MissingLibrary
from tests.app.handlers.python_models import Others

DATA = Path(__file__).resolve().parents[2] / "data" / "text_classifier"
TEXTS: list[dict[str, Any]] = json.loads((DATA / "texts.json").read_text(encoding="utf-8"))
LABELS = ["помощь", "благодарность", "жалоба", "вопрос"]


@pytest.fixture(scope="module")
def classifier() -> Handler:
    spec = handler.at(DATA)
    assert spec is not None and spec.kind == "text_classifier"
    return handler.load(spec, HandlerContext("classifier", Others()))


def _request(*texts: str | bytes) -> HandlerRequest:
    rows = [[text if isinstance(text, bytes) else text.encode()] for text in texts]
    return HandlerRequest(tensors={"text": np.array(rows, object)})


def test_tokens_are_those_of_transformers() -> None:
    tokenizer, limits = tokenizer_files.opened(DATA)
    assert limits == tokenizer_files.Limits(64, 0, "[PAD]")
    tokenizer.enable_truncation(limits.max_length)
    assert [tokenizer.encode(one["text"]).ids for one in TEXTS] == [one["ids"] for one in TEXTS]


def test_a_vocabulary_alone_gives_the_same_tokens(tmp_path: Path) -> None:
    vocabulary = json.loads((DATA / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)), encoding="utf-8")
    tokenizer, _ = tokenizer_files.opened(tmp_path)
    tokenizer.enable_truncation(64)
    assert [tokenizer.encode(one["text"]).ids for one in TEXTS] == [one["ids"] for one in TEXTS]


def test_scores_are_those_of_torch_whatever_comes_together(classifier: Handler) -> None:
    logits = np.array([one["logits"] for one in TEXTS], np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    alone = [classifier.handle([_request(one["text"])])[0] for one in TEXTS]
    (together,) = classifier.handle([_request(*(one["text"] for one in TEXTS))])
    for k, answer in enumerate(alone):
        order = np.argsort(-shares[k])
        assert [label.decode() for label in answer["labels"][0]] == [LABELS[n] for n in order]
        np.testing.assert_allclose(answer["scores"][0], shares[k][order], atol=1e-5)
        np.testing.assert_allclose(together["scores"][k], shares[k][order], atol=1e-5)
    assert alone[0]["label"].tolist() == [["помощь".encode()]]


def test_a_text_that_is_no_text_harms_no_other(classifier: Handler) -> None:
    bad, good = classifier.handle([_request(b"\xff\xfe"), _request("спасибо большое")])
    assert isinstance(bad, Failure) and bad.status == 400 and "UTF-8" in str(bad)
    assert good["label"].tolist() == [["благодарность".encode()]]


def test_a_repository_is_written_twice_and_cleaned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(DATA / "model.onnx"), f"local:{DATA}", str(DATA), "requests", "--repository", str(tmp_path / "r")]
    for rows in ("4", "7"):
        assert recipe.main([*command, "--max_batch_size", rows]) == 0
    found = repositories.listed([tmp_path / "r"])
    assert sorted(found.models) == ["model_onnx", "post_processing", "requests", "text_preprocessing"]
    opened = {name: repositories.opened(path) for name, path in found.models.items()}
    assert {model.config.max_batch_size for model in opened.values()} == {7}
    assert [t.name for t in opened["requests"].config.outputs] == ["label", "score", "labels", "scores"]
    assert [step.model_name for step in opened["requests"].config.steps] == list(repository.STEPS)
    assert "tritonserver --model-repository=" in capsys.readouterr().out
    assert recipe.main(["", "", "", "requests", "--repository", str(tmp_path / "r"), "--clean"]) == 0
    assert list((tmp_path / "r").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"0": "a", "1": "b"}', ["a", "b"]),
        ('{"1": "b", "0": "a"}', ["a", "b"]),
        ('{"id2label": {"0": "a"}, "label2id": {"a": 0}}', ["a"]),
    ],
)
def test_names_of_classes(text: str, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "id2label2.json").write_text(text)
    assert class_names.read(tmp_path) == names


@pytest.mark.parametrize("text", ['{"0": "a", "2": "b"}', '{"a": "b"}', "[]", "{}", '{"0": 1}', "{"])
def test_names_that_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "id2label.json").write_text(text)
    with pytest.raises(BadModel, match="id2label.json: "):
        class_names.read(tmp_path)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    (tmp_path / "id2label.json").write_text('{"0": "a", "1": "b"}')
    with pytest.raises(BadModel, match="has 4 classes, and .* names 2"):
        repository.write(tmp_path / "r", DATA / "model.onnx", DATA, tmp_path)
    with pytest.raises(BadConfig, match="is the name of a step"):
        repository.write(tmp_path / "r", DATA / "model.onnx", DATA, DATA, "model_onnx")
    with pytest.raises(BadModel, match="there is no tokenizer"):
        repository.write(tmp_path / "r", DATA / "model.onnx", tmp_path, DATA)


def test_a_checkpoint_names_what_its_export_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(DATA / "config.json", tmp_path)
    try:
        import transformers  # noqa: F401
    except ImportError:
        assert recipe.main([str(tmp_path), str(DATA), str(DATA), "--repository", str(tmp_path / "r")]) == 1
        assert "paddle-serving-next[convert-hf]" in capsys.readouterr().err
        assert not (tmp_path / "r").exists()
    assert issubclass(MissingLibrary, ImportError)
