"""A user's service on a real server: what its steps may return, and what callers see when they fail."""

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import models
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import HTTP, ROOT, Server, free_port, serve

FILE = "tests/server/service_files/scaled.py"
X = UCI_INPUT.tolist()


def price_of(x: Any) -> float:
    return float(np.asarray(x, np.float32) @ models.UCI_W + models.UCI_B[0])


DOUBLE = price_of(UCI_INPUT * 2)


@pytest.fixture(scope="module", params=["hosted", "alone", "debugger"])
def server(
    request: pytest.FixtureRequest, uci_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same file hosted by `serve`, run by itself, and with the model inside the serving process."""
    folder = tmp_path_factory.mktemp("service")
    if request.param == "hosted":
        with serve(folder, "--service", FILE, "--thread", "8", "--", str(uci_folder)) as server:
            yield server
        return
    text = (ROOT / FILE).read_text()
    alone = folder / "alone.py"
    extra = ["debugger"] if request.param == "debugger" else []
    # Its own file chooses the port, so that what `prepare_server` says is what happens.
    alone.write_text(text.replace("port=9393", "port=int(sys.argv[sys.argv.index('--port') + 1])"))
    with serve(folder, *extra, command=[str(alone), str(uci_folder)]) as server:
        yield server


def ask(server: Server, instance: Any, headers: dict[str, str] | None = None, path: str = "/scaled/prediction") -> Any:
    body = instance if isinstance(instance, bytes) else json.dumps({"feed": instance, "fetch": ["price"]}).encode()
    reply = HTTP.request("POST", server.url + path, body=body, headers=headers or {"Content-Type": "application/json"})
    return reply.status, json.loads(reply.data), reply.headers


def test_three_values(server: Server) -> None:
    status, said, headers = ask(server, [{"x": X}, {"x": [0.0] * 13}])
    assert status == 200, said
    np.testing.assert_allclose(said["result"]["price"], [[DOUBLE], [price_of([0.0] * 13)]], rtol=1e-4)
    timing = headers["Server-Timing"]
    names = ["read", "preprocess", "queue", "batch", "infer", "transfer", "postprocess", "write"]
    assert [part.partition(";")[0] for part in timing.split(", ")] == names


def test_two_values_and_the_oldest_form(server: Server) -> None:
    for mode in ("two_values", "old_list"):
        status, said, _ = ask(server, [{"x": X, "mode": mode}])
        assert (status, said["result"]["price"]) == (200, [[pytest.approx(UCI_PRICE, abs=1e-3)]]), said


def test_another_model_and_a_named_stage(server: Server) -> None:
    status, said, headers = ask(server, [{"x": X, "mode": "second"}])
    assert status == 200, said
    assert said["result"]["other"] == [[pytest.approx(price_of([0.0] * 13), abs=1e-3)]]
    assert said["result"]["count"] == 1
    assert "second;dur=" in headers["Server-Timing"]


@pytest.mark.parametrize(
    ("mode", "status", "err_no", "words"),
    [
        ("bad_input", 400, 5000, "your x is upside down"),
        ("value_error", 500, 9000, "preprocess of service 'scaled' failed (ValueError); see the log"),
        ("key_error", 500, 9000, "preprocess of service 'scaled' failed (KeyError)"),
        ("nothing", 500, 9000, "preprocess must return (feed: dict, fetch: list, is_batch: bool), got NoneType"),
        ("not_json", 500, 9000, "postprocess of service 'scaled' returned what JSON cannot say"),
    ],
)
def test_what_goes_wrong_is_said(server: Server, mode: str, status: int, err_no: int, words: str) -> None:
    got, said, _ = ask(server, [{"x": X, "mode": mode}])
    assert (got, said["err_no"]) == (status, err_no), said
    assert words in said["err_msg"]
    assert "secret" not in said["err_msg"]
    assert "Traceback" not in said["err_msg"]
    assert ask(server, [{"x": X}])[0] == 200


def test_a_step_that_calls_exit_ends_nothing_but_itself(server: Server) -> None:
    status, said, _ = ask(server, [{"x": X, "mode": "exit"}])
    assert (status, said["err_no"]) == (500, 9000)
    assert ask(server, [{"x": X}])[0] == 200


def test_files_arrive_as_bytes(server: Server) -> None:
    picture = b"\x89PNG not really" * 10
    expected = pytest.approx(price_of([len(picture)] * 13), rel=1e-4)
    status, said, _ = ask(server, picture, {"Content-Type": "image/png"})
    assert status == 500  # this service wants "mode" with it: a form can send both
    boundary = "b0undary"
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="mode"\r\n\r\nbytes\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="../../x.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    ).encode() + picture + f"\r\n--{boundary}--\r\n".encode()  # fmt: skip
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    status, said, _ = ask(server, form, headers)
    assert (status, said["result"]["price"]) == (200, [[expected]]), said
    for broken in (form[:-10], form.replace(b'name="image"', b"x=y")):
        assert ask(server, broken, headers)[0] == 400
    assert ask(server, form, {"Content-Type": "multipart/form-data"})[0] == 400
    encoded = base64.b64encode(picture).decode()
    _, said, _ = ask(server, [{"image": encoded, "mode": "bytes"}])
    assert said["result"]["price"] == [[pytest.approx(price_of([len(encoded)] * 13), rel=1e-4)]]


def test_slow_steps_run_beside_each_other(server: Server) -> None:
    results: list[int] = []

    def call() -> None:
        results.append(ask(server, [{"x": X, "mode": "slow"}])[0])

    threads = [threading.Thread(target=call) for _ in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    assert ask(server, [{"x": X}])[0] == 200
    for thread in threads:
        thread.join()
    assert results == [200] * 8
    assert time.monotonic() - started < 1.5


WITHOUT_MODEL = """
from paddle_serving_server.web_service import WebService


class Pre(WebService):
    def preprocess(self, feed=[], fetch=[]):
        return {"n": len(feed), "fetch": fetch}, fetch


class Post(WebService):
    def postprocess(self, feed=[], fetch=[], fetch_map=None):
        return {"feed": feed, "map": dict(fetch_map)}


for made in (Pre, Post):
    made(name=made.__name__.lower()).run_web_service()
"""


def test_a_service_whose_steps_do_everything_needs_no_model(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(WITHOUT_MODEL)
    with serve(tmp_path, "--service", str(tmp_path / "steps.py")) as server:
        assert ask(server, [{"a": 1}], path="/pre/prediction")[:2] == (200, {"result": {"n": 1, "fetch": ["price"]}})
        assert ask(server, [{"a": 1}], path="/post/prediction")[1] == {"result": {"feed": [{"a": 1}], "map": {}}}
        listed = json.loads(HTTP.request("GET", f"{server.url}/services").data)["services"]
        assert [(s["name"], s["inputs"], s["backend"], s["models"]) for s in listed] == [
            ("pre", [], "", []),
            ("post", [], "", []),
        ]
        tensor = b'{"tensor":[{"name":"x","elem_type":1,"shape":[1],"float_data":[0]}]}'
        reply = HTTP.request("POST", f"{server.url}/GeneralModelService/inference", body=tensor)
        assert (reply.status, b"service 'pre' has no model that takes tensors" in reply.data) == (404, True)
        for page in ("/status", "/vars", "/", "/connections"):
            assert HTTP.request("GET", server.url + page).status == 200


def test_a_service_file_that_is_wrong_is_explained(tmp_path: Path, uci_folder: Path) -> None:

    for text, words in (
        ("print('hello')", "starts no service"),
        ("import nothing_like_it", "nothing_like_it"),
        ("import sys; sys.exit(0)", "starts no service: it raised SystemExit(0)"),
        (
            "from paddle_serving_server.web_service import WebService\nWebService('a').run_web_service()",
            "service 'a' has no model and no steps of its own: call load_model_config() in its file, or write",
        ),
        (
            "from paddle_serving_server.web_service import WebService\nclass S(WebService):\n"
            "    def preprocess(self, feed=[], fetch=[]): return {}, []\n"
            "    def init_service(self): raise KeyboardInterrupt\nS('a').run_web_service()",
            "init_service of service 'a' raised KeyboardInterrupt",
        ),
        (
            "from paddle_serving_server.web_service import WebService\nWebService('a').load_model_config('no/such')",
            "no/such",
        ),
    ):
        file = tmp_path / "service.py"
        file.write_text(text)
        said = subprocess.run(
            [sys.executable, "-m", "paddle_serving_server.serve", "--service", str(file), "--port", str(free_port())],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={"SERVING_HOME": str(tmp_path)},
            timeout=60,
        )
        assert (said.returncode, words in said.stderr) == (2, True), said.stderr
