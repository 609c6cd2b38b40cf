"""Repositories of text classifiers: whole or not at all, of parts that fit each other."""

import json
import sys
from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig, BadModel, MissingLibrary
from tests.text_classifiers import FOLDER, copied

pytest.importorskip("tokenizers", reason="it is the native tokenizer")

from paddle_serving_app.text import repository
from paddle_serving_app.text.repository import Parts
from paddle_serving_app.triton import repository as opening
from paddle_serving_app.triton.ensemble import check_models

WHOLE = Parts(model=FOLDER / "model.onnx", tokenizer=FOLDER, labels=FOLDER / "id2label.json")


def test_the_four_models_fit_each_other(tmp_path: Path) -> None:
    repository.write(WHOLE, tmp_path / "models")
    listed = opening.listed([tmp_path / "models"])
    assert list(listed.models) == ["ensemble_model", "model_onnx", "post_processing", "text_preprocessing"]
    opened = {name: opening.opened(path).config for name, path in listed.models.items()}
    check_models(opened["ensemble_model"], opened)
    assert {config.max_batch_size for config in opened.values()} == {4}
    assert (tmp_path / "models/model_onnx/1/model.onnx").read_bytes() == (FOLDER / "model.onnx").read_bytes()


def test_a_repository_is_written_anew_and_nothing_else_is_touched(tmp_path: Path) -> None:
    target = tmp_path / "models"
    repository.write(WHOLE, target, "cls", 16)
    repository.write(WHOLE, target, "other", 8)
    assert sorted(path.name for path in target.iterdir()) == [
        "model_onnx", "other", "post_processing", "text_preprocessing",
    ]  # fmt: skip
    with pytest.raises(BadModel):
        repository.write(Parts(model=FOLDER / "model.onnx", tokenizer=tmp_path, labels=FOLDER), target)
    assert (target / "other").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "text.txt").write_text("mine")
    with pytest.raises(BadConfig, match="is there already, and is no repository"):
        repository.write(WHOLE, tmp_path / "mine")


@pytest.mark.parametrize(("name", "rows"), [("a b", 4), ("../x", 4), ("model_onnx", 4), ("x", 0)])
def test_names_and_numbers_that_cannot_be_are_refused(name: str, rows: int, tmp_path: Path) -> None:
    with pytest.raises(BadConfig):
        repository.write(WHOLE, tmp_path / "models", name, rows)


def test_labels_have_to_fit_the_model(tmp_path: Path) -> None:
    (tmp_path / "id2label2.json").write_text('{"0": "a", "1": "b"}')
    parts = Parts(model=FOLDER, tokenizer=FOLDER, labels=tmp_path)
    with pytest.raises(BadModel, match="has 4 classes, and .* has 2 labels"):
        repository.write(parts, tmp_path / "models")


def test_a_model_that_is_no_classifier_of_texts_is_named(tmp_path: Path) -> None:
    from tests import triton_models

    triton_models.simple(tmp_path / "model.onnx")
    with pytest.raises(BadModel, match="a text classifier takes input_ids"):
        repository.write(Parts(model=tmp_path, tokenizer=FOLDER, labels=FOLDER), tmp_path / "models")


def test_a_tokenizer_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path / "t")
    settings = json.loads((folder / "tokenizer_config.json").read_text()) | {"do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(BadModel, match="do_lower_case False, tokenizer.json lowercase True"):
        repository.write(Parts(model=FOLDER, tokenizer=folder, labels=FOLDER), tmp_path / "models")


def test_a_checkpoint_needs_libraries_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    folder = copied(tmp_path / "checkpoint", "tokenizer.json", "config.json")
    with pytest.raises(
        MissingLibrary, match=r"torch and transformers: pip install 'paddle-serving-next\[convert-hf\]'"
    ):
        repository.write(Parts(model=folder, tokenizer=folder, labels=folder), tmp_path / "models")


def test_a_checkpoint_becomes_a_model(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="not among the libraries of the tests")
    pytest.importorskip("torch", reason="not among the libraries of the tests")
    folder = copied(tmp_path / "checkpoint", "tokenizer.json", "tokenizer_config.json")
    config = transformers.BertConfig.from_pretrained(str(FOLDER))
    transformers.BertForSequenceClassification(config).save_pretrained(str(folder))
    repository.write(Parts(model=folder, tokenizer=folder, labels=folder), tmp_path / "models")
    assert opening.opened(tmp_path / "models" / "model_onnx").is_whole
