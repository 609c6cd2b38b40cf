"""Folders of transformers as services: found by their files, texts of several requests answered together."""

from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import handler
from paddle_serving_app.handler import Failure, HandlerContext, HandlerRequest
from paddle_serving_client.errors import BadModel
from tests.app.handlers.python_models import Others
from tests.text_classifiers import FOLDER, LABELS, copied

pytest.importorskip("tokenizers", reason="it is the native tokenizer")

CONTEXT = HandlerContext("text", Others())


def loaded(path: Path) -> handler.Handler:
    spec = handler.at(path)
    assert spec is not None
    assert spec.kind == "text_classifier"
    return handler.load(spec, CONTEXT)


@pytest.fixture(scope="module")
def classifier() -> handler.Handler:
    return loaded(FOLDER)


def of(*texts: object) -> HandlerRequest:
    return HandlerRequest(instances=[{"text": text} for text in texts])


def test_only_whole_folders_are_claimed(tmp_path: Path) -> None:
    assert handler.at(copied(tmp_path / "no_labels", "model.onnx", "tokenizer.json")) is None
    assert handler.at(copied(tmp_path / "no_model", "config.json", "tokenizer.json")) is None
    folder = copied(tmp_path / "other", "model.onnx", "tokenizer.json")
    (folder / "config.json").write_text("{}")
    assert handler.at(folder) is None


def test_the_model_may_be_in_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = copied(tmp_path / "f", "tokenizer.json", "tokenizer_config.json", "config.json")
    copied(folder / "onnx", "model.onnx")
    assert loaded(folder).handle([of("помогите мне")])[0]["labels"][0, 0] == "помощь".encode()


def test_requests_are_answered_together_as_alone(classifier: handler.Handler) -> None:
    texts = ["помогите мне", "спасибо за заказ", "", "верните деньги за билет " * 9, "это безобразие"]
    together = classifier.handle([of(*texts[:2]), of(*texts[2:])])
    assert [len(result["labels"]) for result in together] == [2, 3]
    found = np.concatenate([result["scores"] for result in together])
    alone = np.concatenate([classifier.handle([of(text)])[0]["scores"] for text in texts])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    first = [row[0].decode() for result in together for row in result["labels"]]
    assert [first[k] for k in (0, 1, 3, 4)] == ["помощь", "благодарность", "оплата", "жалоба"]
    assert {label.decode() for label in together[0]["labels"][0]} == set(LABELS)


def test_a_request_that_is_wrong_is_refused_alone(classifier: handler.Handler) -> None:
    no_utf8 = np.array([[b"\xff"]], np.object_)
    wrong = [of(7), HandlerRequest(instances=[{"other": "a"}]), HandlerRequest(tensors={"text": no_utf8})]
    refused = [*wrong, HandlerRequest(raw=b"a"), of(*["a"] * 1025), of("a" * (1 << 20) + "a")]
    *failures, right = classifier.handle([*refused, of("помогите мне")])
    assert all(isinstance(one, Failure) and one.is_callers for one in failures)
    assert [str(one)[:30] for one in failures[-2:]] == [
        "1025 texts came; a request may",
        "a text has 1048577 characters;",
    ]
    assert right["labels"][0, 0] == "помощь".encode()


def test_a_model_that_is_no_classifier_is_named(tmp_path: Path) -> None:
    from tests import triton_models

    folder = copied(tmp_path / "f", "tokenizer.json", "config.json")
    triton_models.simple(folder / "model.onnx")
    with pytest.raises(BadModel, match="that is no classifier of texts"):
        loaded(folder)
