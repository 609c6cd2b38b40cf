"""Services of several folders in one server: each finds the modules beside its own file, whatever the others have."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import HTTP, Server, serve

SERVICE = """
import importlib
import pickle
import threading

import helper
import helper as again
import pack.part
from helper import WHO
from pack.part import NAME
from paddle_serving_server.services.web_service import WebService


class Who(WebService):
    def preprocess(self, feed=[], fetch=[]):
        said = []
        exec(feed[0]["run"], {**globals(), "say": said.append})
        return {"said": said}, fetch


Who(name="NAME_OF_SERVICE").run_web_service()
"""
HELPER = """
import other

WHO = "FOLDER"


class Thing:
    who = WHO


def deep():
    import lazy

    return lazy.WHO + other.WHO
"""


def write(folder: Path) -> Path:
    who = folder.name
    (folder / "pack").mkdir(parents=True)
    (folder / "bare").mkdir()
    (folder / "helper.py").write_text(HELPER.replace("FOLDER", who))
    for name in ("other", "lazy", "tests", "colorsys", f"only_{who}", "pack/__init__", "pack/leaf", "bare/leaf"):
        (folder / f"{name}.py").write_text(f"WHO = {who!r}\n")
    (folder / "pack" / "part.py").write_text("from . import leaf\nfrom .leaf import WHO\nNAME = WHO + leaf.WHO\n")
    file = folder / "service.py"
    file.write_text(SERVICE.replace("NAME_OF_SERVICE", who))
    return file


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("namespaces")
    with serve(folder, "--service", str(write(folder / "a")), "--service", str(write(folder / "b"))) as server:
        yield server


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("namespace")
    with serve(folder, "--service", str(write(folder / "a"))) as server:
        yield server


def said(server: Server, name: str, code: str) -> Any:
    body = json.dumps({"feed": [{"run": code}]}).encode()
    reply = HTTP.request("POST", f"{server.url}/{name}/prediction", body=body, headers={"Content-Type": "text/json"})
    assert reply.status == 200, (reply.data, server.log)
    return json.loads(reply.data)["result"]["said"]


IMPORTS = {
    "at the start": ("say(helper.WHO); say(again.WHO); say(WHO); say(NAME); say(pack.part.NAME)", "1 1 1 11 11"),
    "of a module of its own": ("say(helper.deep())", "11"),
    "at a request": ("import lazy; from pack import leaf; say(lazy.WHO); say(leaf.WHO)", "1 1"),
    "in a thread": ("t = threading.Thread(target=lambda: say(helper.deep())); t.start(); t.join()", "11"),
    "of a folder without __init__.py": ("import bare.leaf as a; from bare import leaf as b; say(a.WHO + b.WHO)", "11"),
    "by its own name for it": ("say(importlib.import_module(helper.__name__).WHO)", "1"),
    "of what it alone has": ("import only_1; say(only_1.WHO); say(importlib.import_module('only_1').WHO)", "1 1"),
    "instead of an installed one": ("import tests, colorsys; say(tests.WHO); say(colorsys.WHO)", "1 1"),
    "by pickle": ("say(pickle.loads(pickle.dumps(helper.Thing())).who)", "1"),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPORTS)
def test_each_service_gets_its_own(two: Server, case: str) -> None:
    code, expected = IMPORTS[case]
    for who in "ab":
        assert said(two, who, code.replace("_1", f"_{who}")) == expected.replace("1", who).split()


def test_a_name_that_several_have_is_an_error_where_nobody_can_tell_them_apart(two: Server) -> None:
    ask = "try: say(importlib.import_module('helper').WHO)\nexcept ImportError as exc: say(str(exc))"
    for name in "ab":
        (words,) = said(two, name, ask)
        assert "'helper' is a module in several service folders" in words
        assert "/a, " in words


def test_nobody_else_gets_a_module_of_a_service(two: Server) -> None:
    """The server, and the libraries it uses, find what is installed, though services have modules of those names."""
    assert said(two, "a", "say(importlib.import_module('colorsys').__file__.endswith('a/colorsys.py'))") == [False]


def test_a_service_alone_is_a_script(one: Server) -> None:
    code = (
        "say(helper.__name__); say(importlib.import_module('lazy').WHO); say(pickle.loads(b'chelper\\nThing\\n.').who)"
    )
    assert said(one, "a", code) == ["helper", "a", "a"]
