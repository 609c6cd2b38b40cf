"""Changed service files are taken while the server runs: in a real server, asked while that happens."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import HTTP, Server, serve

_SERVICE = """
import beside
from paddle_serving_server.web_service import WebService

class Scaled(WebService):
    def preprocess(self, feed=[], fetch=[]):
        return {{"y": {factor} * beside.LENGTH * feed[0]["x"]}}, fetch, True

Scaled(name="{name}").run_web_service()
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("LENGTH = 1\n")
    write(tmp_path, 2)
    return tmp_path


def write(folder: Path, factor: object, name: str = "scaled") -> None:
    (folder / "service.py").write_text(_SERVICE.format(factor=factor, name=name))


@contextlib.contextmanager
def serving(files: Path, *flags: str) -> Iterator[Server]:
    with serve(files, "--service", str(files / "service.py"), "--reload_code", *flags) as server:
        yield server


def ask(server: Server, name: str = "scaled") -> Any:
    answer = HTTP.request("POST", f"{server.url}/{name}/prediction", json={"feed": [{"x": 3}]})
    body = json.loads(answer.data)
    assert answer.status == 200, body
    return body["result"]["y"]


def code(server: Server) -> Any:
    return HTTP.request("GET", f"{server.url}/services").json().get("code", {})


def until(is_so: Any, what: str, server: Server) -> None:
    end = time.monotonic() + 40
    while not is_so():
        assert time.monotonic() < end, f"not {what}:\n{server.log}"
        time.sleep(0.05)


@pytest.mark.parametrize("fronts", [1, 2])
def test_a_changed_file_is_taken_and_no_call_fails_meanwhile(files: Path, fronts: int) -> None:
    with serving(files, "--fronts", str(fronts)) as server:
        assert ask(server) == 6
        answers: list[Any] = []
        is_over = threading.Event()

        def keep_asking() -> None:
            while not is_over.is_set():
                answers.append(ask(server))

        asking = threading.Thread(target=keep_asking)
        asking.start()
        write(files, 5)
        until(lambda: code(server).get("state") == "loaded", "loaded", server)
        last = len(answers)
        until(lambda: len(answers) > last + 5, "asked", server)
        is_over.set()
        asking.join()
        assert set(answers) == {6, 15}
        assert set(answers[last + 2 :]) == {15}
        assert len(server.children("front.process")) == fronts


def test_a_module_beside_it_counts_and_a_broken_one_is_refused_with_its_line(files: Path) -> None:
    with serving(files) as server:
        (files / "beside.py").write_text("LENGTH = 10\n")
        until(lambda: ask(server) == 60, "taken", server)
        (files / "beside.py").write_text("LENGTH = 10\nLENGTH = ]\n")
        until(lambda: code(server).get("state") == "refused", "refused", server)
        assert f"{files / 'beside.py'}, line 2: SyntaxError" in code(server)["reason"]
        assert "beside.py, line 2" in server.log
        assert ask(server) == 60
        write(files, "undefined")
        (files / "beside.py").write_text("LENGTH = undefined\n")
        until(lambda: "beside.py, line 1: NameError" in code(server)["reason"], "the next reason", server)
        write(files, 7)
        (files / "beside.py").write_text("LENGTH = 1\n")
        until(lambda: ask(server) == 21, "good again", server)
        assert code(server)["state"] == "loaded"


def test_services_come_and_go_with_the_code(files: Path) -> None:
    with serving(files) as server:
        write(files, 4, name="other")
        until(lambda: code(server).get("state") == "loaded", "loaded", server)
        assert ask(server, "other") == 12
        until(lambda: _names(server) == ["other"], "the old one is gone", server)
        assert HTTP.request("POST", f"{server.url}/scaled/prediction", json={"feed": [{"x": 1}]}).status == 404


def test_without_the_flag_nothing_is_watched(files: Path) -> None:
    with serve(files, "--service", str(files / "service.py")) as server:
        write(files, 9)
        time.sleep(1.0)
        assert ask(server) == 6


def _names(server: Server) -> list[str]:
    return [service["name"] for service in HTTP.request("GET", f"{server.url}/services").json()["services"]]


def test_a_change_while_the_server_starts_is_taken_when_it_has(files: Path) -> None:
    (files / "beside.py").write_text("import time\ntime.sleep(2)\nLENGTH = 1\n")
    with serve(files, "--service", str(files / "service.py"), "--reload_code", waits=False) as server:
        time.sleep(1.0)
        write(files, 8)
        server.wait_ready()
        until(lambda: ask(server) == 24, "taken", server)
