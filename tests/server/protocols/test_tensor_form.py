"""The inputs of a model as a form: files with arrays, texts of JSON."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.signature import Input, Signature
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_server.protocols.http import tensor_form
from paddle_serving_server.protocols.http.form import Form, read_form
from paddle_serving_server.services.web_service import WebService
from tests import models
from tests.server.protocols.transport import Ask, serving

FLOAT32, INT64 = 1, 0
SIGNATURE = Signature((Input("x_real", 'a "b"', FLOAT32, (-1, 2)), Input("n", "n", INT64, (-1, 1))), ())


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def form(files: Mapping[str, bytes] = {}, texts: Mapping[str, str] = {}) -> Form:
    return Form(dict(texts), [*files.values()], {**files, **{name: text.encode() for name, text in texts.items()}})


def test_files_have_a_batch_axis_and_texts_are_of_one_instance() -> None:
    found = tensor_form.read(form({"x_real": npy(np.array([[1, 2]], np.uint8))}, {"n": "[7]"}), SIGNATURE)
    assert found['a "b"'].dtype == np.float32
    assert found['a "b"'].tolist() == [[1, 2]]
    assert found["n"].dtype == np.int64
    assert found["n"].tolist() == [[7]]


def test_what_is_written_is_read_again() -> None:
    kind, body = tensor_form.written({'a "b"': npy(np.ones((1, 2), np.float32)), "n": npy(np.ones((1, 1), np.int64))})
    found = read_form(kind, body)
    assert tensor_form.is_tensors(found, SIGNATURE)
    assert tensor_form.read(found, SIGNATURE)['a "b"'].tolist() == [[1, 1]]


@pytest.mark.parametrize("name", ["x", "image", ""])
def test_a_form_with_other_fields_is_none(name: str) -> None:
    assert not tensor_form.is_tensors(form({name: b"", "n": b""} if name else {}), SIGNATURE)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (form({"n": b"no array"}), BadPacket, "the file in field 'n' is no array"),
        (form({"n": npy(np.array([[0.5]]))}), BadInput, "input 'n' must be int64"),
        (form({"n": npy(np.array([["a"]]))}), BadInput, "input 'n' must be int64"),
        (form(texts={"n": "[1"}), BadPacket, "not JSON"),
        (form(texts={"n": "[1, 2]"}), BadInput, "axis 1 is 2, not 1"),
    ],
)
def test_what_does_not_fit_is_refused(given: Form, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words.replace("[", r"\[")):
        tensor_form.read(given, SIGNATURE)


@pytest.fixture(scope="module")
def ask(uci_folder: Path) -> Iterator[Ask]:
    with serving(uci_folder, WebService("uci")) as ask:
        yield ask


def test_a_service_answers_one(ask: Ask) -> None:
    kind, body = tensor_form.written({"x": npy(models.UCI_INPUT[None].astype(np.float64))})
    head = f"POST /uci/prediction?fetch=price HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    raw, _ = ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = json.loads(raw.partition(b"\r\n\r\n")[2])
    assert answer["result"]["price"] == [[pytest.approx(models.UCI_PRICE, abs=1e-5)]]
