"""Python files as handlers: found without being run, loaded with what is beside them."""

from pathlib import Path

import pytest

from paddle_serving_app import handler
from paddle_serving_app.handler import About, HandlerContext, HandlerRequest, HandlerSpec
from paddle_serving_client.errors import BadConfig, BadModel
from tests.app.handlers.python_models import Others

CONTEXT = HandlerContext("file", Others())


def loaded(path: Path) -> handler.Handler:
    return handler.load(HandlerSpec(kind="python_file", path=str(path)), CONTEXT)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("def handle(requests):\n    return requests\n", True),
        ("class Handler:\n    def handle(self, requests):\n        return requests\n", True),
        ("class Handler:\n    def other(self):\n        pass\n", False),
        ("def other():\n    def handle(requests):\n        pass\n", False),
        ("from paddle_serving_server.web_service import WebService\nWebService().run_web_service()\n", False),
        ("def handle(:\n", False),
        ("raise SystemExit\ndef handle(requests):\n    return []\n", True),
    ],
)
def test_a_file_is_found_out_without_being_run(text: str, is_one: bool, tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(text)
    assert (handler.at(file) is not None) is is_one


def test_other_things_are_no_handlers(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("def handle(requests): pass\n")
    assert [handler.at(path) for path in (tmp_path, tmp_path / "text.txt", tmp_path / "missing.py")] == [None] * 3


def test_a_class_may_take_the_context_and_is_closed(tmp_path: Path) -> None:
    (tmp_path / "beside_handler.py").write_text("NAME = 'beside'\n")
    file = tmp_path / "with_class.py"
    file.write_text(
        "import beside_handler\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Kept:\n    name: str\n"
        "class Handler:\n"
        "    max_requests = 3\n"
        "    def __init__(self, context):\n        self.kept = Kept(context.name)\n"
        "    def handle(self, requests):\n        return [self.kept.name + beside_handler.NAME for _ in requests]\n"
        "    def close(self):\n        self.kept.name = 'closed'\n"
    )
    made = loaded(file)
    assert made.handle([HandlerRequest()]) == ["filebeside"]
    assert made.max_requests == 3
    made.close()
    assert made.handle([HandlerRequest()]) == ["closedbeside"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import not_there_at_all\ndef handle(requests): pass\n", "line 1: ModuleNotFoundError: No module named"),
        ("def handle(requests): pass\n1 / 0\n", "line 2: ZeroDivisionError"),
        (
            "class Handler:\n    def __init__(self):\n        raise ValueError('no')\n    def handle(self, r): pass\n",
            "line 3: ValueError: no",
        ),
        ("import sys\nsys.exit(4)\ndef handle(requests): pass\n", r"it ended by sys.exit\(4\)"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_its_line(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "broken_handler.py"
    file.write_text(text)
    with pytest.raises(BadModel, match=reason):
        loaded(file)


def test_a_class_says_what_people_are_told(tmp_path: Path) -> None:
    file = tmp_path / "told_handler.py"
    body = "    def handle(self, r): pass\n"
    file.write_text(f"class Handler:\n    title = 'Count'\n    example = {{'text': 'a b'}}\n{body}")
    assert loaded(file).about == About(title="Count", example={"text": "a b"})
    file.write_text("title = 3  # a variable as any other\ndef handle(requests): pass\n")
    assert loaded(file).about == About()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("kind = 'film'", "kind is one of json, image"),
        ("example = {'x': {1, 2}}", "example is an instance as JSON has"),
    ],
)
def test_what_a_class_says_wrongly_is_named(said: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong_handler.py"
    file.write_text(f"class Handler:\n    {said}\n    def handle(self, r): pass\n")
    with pytest.raises(BadModel, match=reason):
        loaded(file)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="no paddle_serving_app.handlers named 'other'"):
        handler.load(HandlerSpec(kind="other", path=str(tmp_path)), CONTEXT)
