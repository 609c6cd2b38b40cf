"""Archives of TorchServe, loaded and called as TorchServe does it."""

import contextlib
import os
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.handler import Failure, HandlerRequest, HandlerResult
from paddle_serving_app.torchserve import unpacked
from paddle_serving_app.torchserve.batching import reads_first_only
from paddle_serving_client.errors import BadModel
from tests import models
from tests.app.handlers.mar_archives import LoadArchive as Load


def rows(*bodies: Any, **more: Any) -> list[HandlerRequest]:
    return [HandlerRequest(instances=[{"body": body}], id=f"id{k}", **more) for k, body in enumerate(bodies)]


FUNCTION = """
started = []

def handle(data, context):
    if data is None:
        started.append(context.model_name)
        return None
    return [started + [len(row["body"]), context.get_request_id(k), type(row["body"]).__name__]
            for k, row in enumerate(data)]
"""


def test_a_function_is_called_once_without_data(load: Load) -> None:
    handler = load(FUNCTION, settings={"name": "other"})
    found = handler.handle(rows(b"abc", "four", [1]))
    assert found == [["other", 3, "id0", "bytearray"], ["other", 4, "id1", "str"], ["other", 1, "id2", "list"]]


CLASS = """
import os
from abc import ABC
from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import PredictionException
from ts.context import Context
from ts.metrics.dimension import Dimension
from words import GREETING

class MyHandler(BaseHandler, ABC):
    def initialize(self, context: Context):
        self.initialized = True
        self.where = os.path.isdir(context.system_properties.get("model_dir"))
        self.version = context.manifest["model"]["modelVersion"]

    def handle(self, data, context):
        found = []
        for k, row in enumerate(data):
            if row["body"] == b"bad":
                raise PredictionException("too bad", 513)
            if row["body"] == b"oops":
                raise KeyError("oops")
            if row["body"] == b"html":
                context.set_response_content_type(k, "text/html")
                context.set_response_header(k, "x-mine", "1")
                context.set_response_status(201, "Made", k)
            context.metrics.add_counter("Calls", 1, dimensions=[Dimension("a", "b")])
            found.append(f"{GREETING} {self.where} {self.version} {context.get_request_header(k, 'X-Who')}")
        return found
"""


def test_a_class_with_extra_files_and_all_of_the_context(load: Load, tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("GREETING = 'hello'\n")
    handler = load(CLASS, extra=str(tmp_path / "words.py"))
    good, bad, oops, html = handler.handle(rows(b"x", b"bad", b"oops", b"html", headers={"x-who": "me"}))
    assert good == "hello True 1.0 me"
    assert isinstance(bad, Failure)
    assert (str(bad), bad.status) == ("too bad", 513)
    assert isinstance(oops, Failure)
    assert (str(oops), oops.status) == ("Prediction failed", 503)
    assert isinstance(html, HandlerResult)
    assert (html.status, html.content_type, html.headers) == (201, "text/html", {"x-mine": "1"})


ONNX = """
import numpy as np
from ts.torch_handler.base_handler import BaseHandler

class Scaled(BaseHandler):
    def preprocess(self, data):
        return np.asarray([row["body"] for row in data], np.float32)
"""


def test_an_onnx_model_needs_no_torch(load: Load, tmp_path: Path) -> None:
    onnx = next(models.uci(tmp_path / "uci", "onnx").glob("*.onnx"))
    handler = load(ONNX, serialized=str(onnx))
    zeros, ones = handler.handle(rows([0.0] * 13, [1.0] * 13))
    np.testing.assert_allclose([zeros, ones], models.uci_answer([[0.0] * 13, [1.0] * 13]), rtol=1e-5)


def test_a_handler_that_gives_one_result_for_two_gets_one_at_a_time(load: Load) -> None:
    handler = load("def handle(data, context):\n    return [list(data)[0]['body']] if data else None\n")
    assert handler.max_requests == 0
    assert handler.handle(rows("a", "b")) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("1", "Invalid model predict output"),
        ("[iter([1])]", "Invalid model predict output"),
        ("[1, 2]", "number of batch response mismatched"),
    ],
)
def test_what_is_no_list_of_results(load: Load, body: str, text: str) -> None:
    (failure,) = load(f"def handle(data, context):\n    return {body} if data else None\n").handle(rows("a"))
    assert (str(failure), failure.status) == (text, 503)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_of_the_kind\n", "No module named 'nothing_of_the_kind'"),
        ("x = 1\n", "expected a function handle, or just one class that has it; got none"),
        ("import sys\nsys.exit(3)\n", "it ended by sys.exit(3)"),
        ("class A:\n    def handle(self, d, c): ...\nclass B(A): ...\n", "got A, B"),
    ],
)
def test_handlers_that_cannot_be_loaded(load: Load, source: str, words: str) -> None:
    with pytest.raises(BadModel) as caught:
        load(source)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("step", "is_single"),
    [
        ("def handle(self, data, context):\n    return [data[0]['body']]", True),
        ("def preprocess(self, requests):\n    text = requests[0].get('data')\n    return text", True),
        ("def preprocess(self, data):\n    print(data)\n    return data[0]", True),
        ("def handle(data, context):\n    return [one for one in data]", False),
        ("def handle(data, context):\n    kind = data[0]\n    return [one for one in data]", False),
        ("def handle(data, context):\n    first = data[0]\n    return work(data)", False),
        ("def helper(data):\n    return data[0]", False),
        ("def broken(", False),
    ],
)
def test_handlers_that_read_the_first_request_only_are_found(step: str, is_single: bool) -> None:
    assert reads_first_only(step.encode()) is is_single


def test_a_handler_that_reads_the_first_request_only_is_never_given_two(load: Load) -> None:
    handler = load("def handle(data, context):\n    return [data[0]['body']] if data else None\n")
    assert handler.max_requests == 1
    assert handler.handle(rows("a", "b")) == ["a", "b"]


def test_folders_of_processes_that_were_killed_go_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with unpacked.folder() as used:
        left = tmp_path / f"{used.name}-left"
        left.mkdir()
        for path in (used, left):
            os.utime(path, (0, 0))
        with unpacked.folder() as other:
            assert sorted(tmp_path.iterdir()) == sorted([used, other])
    assert list(tmp_path.iterdir()) == []


def test_what_an_archive_requires_is_installed_for_it_alone(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheel = tmp_path / "tinywords-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("tinywords.py", "HELLO = 'hello'\n")
        out.writestr("tinywords-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinywords\nVersion: 1.0\n")
        out.writestr("tinywords-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr("tinywords-1.0.dist-info/RECORD", "")
    (tmp_path / "requirements.txt").write_text(f"tinywords @ {wheel.as_uri()}\n")
    source = "import tinywords\ndef handle(data, context):\n    return [tinywords.HELLO] if data else None\n"
    files = {"requirements_file": str(tmp_path / "requirements.txt")}
    with pytest.raises(BadModel, match="No module named 'tinywords'"):
        load(source, **files)
    assert load(source, settings={"installs_requirements": True}, **files).handle(rows(b"")) == ["hello"]
    wheel.unlink()
    assert load(source, settings={"installs_requirements": True}, **files).handle(rows(b"")) == ["hello"]
    (tmp_path / "requirements.txt").write_text(f"other @ {wheel.as_uri()}\n")
    with pytest.raises(BadModel, match="requirements.txt cannot be installed"):
        load(source, settings={"installs_requirements": True}, **files)


PARTS = """
from ts.handler_utils.utils import send_intermediate_predict_response

def handle(data, context):
    if data is None:
        return None
    if data[0]["body"] == "none":
        return ["all"] * len(data)
    send_intermediate_predict_response(["a"] * len(data), context.request_ids, "", 200, context)
    if data[0]["body"] == "bad":
        raise ValueError("bad")
    return ["z"] * len(data)
"""


def taken(stream: Any) -> list[Any]:
    """All parts of a stream, as they come."""
    found: list[Any] = []
    came = threading.Event()
    stream.on_part(came.set)
    with contextlib.suppress(StopIteration):
        while True:
            came.clear()
            is_there, part = stream.take()
            if is_there:
                found.append(part)
            else:
                assert came.wait(10)
    return found


def test_answers_in_parts(load: Load) -> None:
    handler = load(PARTS)
    assert handler.handle(rows("none", "none")) == ["all", "all"]
    for stream in handler.handle(rows("x", "y")):
        assert taken(stream) == ["a", "z"]
    assert handler.busy_since() is None
    (stream,) = handler.handle(rows("bad"))
    with pytest.raises(Failure, match="Prediction failed"):
        taken(stream)
    gone, kept = handler.handle(rows("x", "y"))
    gone.close()
    assert taken(kept) == ["a", "z"]


def test_what_a_handler_counts_is_given_once(load: Load) -> None:
    handler = load(
        "def handle(data, context):\n    context.metrics.add_size('Size', 3) if data else 0\n    return data\n"
    )
    handler.handle(rows("x"))
    found = {one.name: (one.value, one.unit, one.kind, dict(one.labels)) for one in handler.measured()}
    assert found["Size"] == (3.0, "MB", "gauge", {"ModelName": "m", "Level": "Model"})
    assert "PredictionTime" in found
    assert list(handler.measured()) == []
