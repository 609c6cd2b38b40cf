"""User code in engine processes, in a real server: what it answers, and what happens when it does not."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from tests.serving import HTTP, Server, serve

_CODE = '''
import os, subprocess, sys, threading, time
import numpy as np
from paddle_serving_app.handler import Failure, HandlerResult, Spent


class Pushed:
    """Parts that a thread makes."""

    def __init__(self, count):
        self.parts, self.wake, self.lock = [], None, threading.Lock()
        self.left, self.is_closed = count, False

    def on_part(self, wake):
        self.wake = wake
        threading.Thread(target=self.make, daemon=True).start()

    def make(self):
        for k in range(self.left):
            time.sleep(0.02)
            with self.lock:
                self.parts.append({"part": k})
            self.wake()
        self.left = 0
        self.wake()

    def take(self):
        with self.lock:
            if self.parts:
                return True, self.parts.pop(0)
        if self.left == 0:
            raise StopIteration
        return False, None

    def close(self):
        print("a stream is closed", flush=True)


class Handler:
    def __init__(self, context):
        self.context = context
        self.calls = 0

    def handle(self, requests):
        self.calls += 1
        if requests[0].instances is not None and requests[0].instances[0].get("do") == "short":
            return []
        return [self.one(request, len(requests)) for request in requests]

    def one(self, request, batch):
        if request.tensors is not None:
            return {name: 2 * array for name, array in request.tensors.items()}
        said = request.instances[0]
        match said.get("do"):
            case "refuse":
                return Failure("not this one", is_callers=True)
            case "fail":
                return Failure("a fault of mine")
            case "raise":
                raise KeyError("secret")
            case "sys.exit":
                sys.exit(3)
            case "die":
                os._exit(3)
            case "abort":
                os.abort()
            case "hang":
                time.sleep(600)
            case "sleep":
                time.sleep(said["s"])
                return {"batch": batch}
            case "parts":
                return (self.part(k) for k in range(said["n"]))
            case "endless":
                return self.endless()
            case "pushed":
                return Pushed(said["n"])
            case "print":
                print("printed words")
                print("words of an error", file=sys.stderr)
                return {}
            case "large":
                return {"data": np.arange(said["n"], dtype=np.float32)}
            case "ask":
                return {k: v.tolist() for k, v in self.context.ask(
                    "uci", tensors={"x": np.zeros((1, 13), np.float32)}).items()}
            case "ask_itself":
                return self.context.ask(said["name"], instances=[{"do": "print"}])
            case "ask_back":
                return self.context.ask("other", instances=[{"do": "ask_itself", "name": "code"}])
            case "ask_from_a_thread":
                found = []
                thread = threading.Thread(target=lambda: found.append(
                    self.context.ask("uci", tensors={"x": np.ones((2, 13), np.float32)})["price"].shape))
                thread.start()
                thread.join()
                return {"shape": list(found[0])}
            case "picture":
                about = {"content_type": "image/png", "status": 201, "headers": {"X-Made": "by hand"}}
                return HandlerResult(value=b"\\x89PNG", **about)
            case "header":
                return HandlerResult(value={}, headers={"X-Made": "a\\r\\nb"})
            case "pid":
                return {"pid": os.getpid(), "files": len(os.listdir("/proc/self/fd"))}
            case "fork":
                if (child := os.fork()) == 0:
                    time.sleep(60)
                    os._exit(0)
                other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
                return {"children": [child, other.pid]}
            case "spend":
                raise Spent([{"words": "my last"}], "this handler has had enough")
            case "bad":
                return {"what": object()}
        return {"sum": sum(instance["x"] for instance in request.instances)}

    def part(self, k):
        if k == 2:
            raise Failure("no third part")
        return {"part": k}

    def endless(self):
        k = 0
        try:
            while True:
                yield {"part": k}
                k += 1
        finally:
            print("the endless one is closed", flush=True)
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("handlers")
    (folder / "code.py").write_text(_CODE)
    (folder / "other.py").write_text(_CODE)
    things = (f"code={folder / 'code.py'}", f"other={folder / 'other.py'}", "uci=serving_model/uci_housing")
    with serve(folder, *things, "--request_timeout_ms", "4000") as server:
        yield server


def post(server: Server, **instance: Any) -> tuple[int, Any]:
    answer = HTTP.request("POST", f"{server.url}/code/prediction", json={"feed": [instance]})
    return answer.status, answer.json()


def result(server: Server, **instance: Any) -> Any:
    status, body = post(server, **instance)
    assert status == 200, body
    return body["result"]


def refusal(server: Server, **instance: Any) -> str:
    status, body = post(server, **instance)
    assert status != 200, body
    return f"{status} {body['err_no']} {body['err_msg']}"


def registry(server: Server, name: str, verb: str, **values: Any) -> None:
    assert HTTP.request("POST", f"{server.url}/registry/{name}/{verb}", json=values).status == 200


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def until(is_so: Any, server: Server) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, server.log
        time.sleep(0.05)


def test_values_come_and_go(server: Server) -> None:
    body = {"feed": [{"x": 2}, {"x": 5}]}
    assert HTTP.request("POST", f"{server.url}/code/prediction", json=body).json() == {"result": {"sum": 7}}
    assert result(server, do="large", n=100_000)["data"][-1] == 99_999


def test_requests_that_wait_are_one_list(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(result, server, do="sleep", s=0.5)
        time.sleep(0.2)
        others = [pool.submit(result, server, do="sleep", s=0.01) for _ in range(6)]
        assert first.result()["batch"] == 1
        assert max(other.result()["batch"] for other in others) >= 3


@pytest.mark.parametrize(
    ("do", "told"),
    [
        ("refuse", "400 5000 not this one"),
        ("fail", "500 9000 a fault of mine"),
        ("raise", "500 9000 the handler failed (KeyError); see the log"),
        ("short", "500 9000 handle returned 0 results for 1 requests"),
        ("sys.exit", "500 9000 the handler failed (SystemExit); see the log"),
        ("bad", "500 9000 the data['value']['what'] is a builtins.object, which cannot go to another process"),
    ],
)
def test_a_request_without_a_result_gets_an_error_of_its_own(server: Server, do: str, told: str) -> None:
    before = result(server, do="pid")["pid"]
    assert refusal(server, do=do).startswith(told)
    assert result(server, do="pid")["pid"] == before


@pytest.mark.parametrize("do", ["die", "abort"])
def test_a_process_that_ends_is_replaced_and_the_request_is_not_tried_again(server: Server, do: str) -> None:
    before = result(server, do="pid")["pid"]
    assert "the engine process died while it worked on this request" in refusal(server, do=do)
    assert result(server, do="pid")["pid"] != before


def test_one_that_hangs_is_replaced_and_who_waited_is_answered_by_the_next(server: Server) -> None:
    before = result(server, do="pid")["pid"]
    with ThreadPoolExecutor(4) as pool:
        hung = pool.submit(refusal, server, do="hang")
        time.sleep(3.0)  # these are within their time when the process is ended
        waiting = [pool.submit(post, server, do="pid") for _ in range(3)]
        assert hung.result().startswith("504 6000")
        answers = [future.result() for future in waiting]
    assert all(status in (200, 504) for status, _ in answers)
    until(lambda: post(server, do="pid")[0] == 200, server)
    assert result(server, do="pid")["pid"] != before
    assert "takes longer than anybody waits for it" in server.log


def test_what_is_printed_is_in_the_log(server: Server) -> None:
    result(server, do="print")
    until(lambda: "[handler code.py] printed words" in server.log, server)
    until(lambda: "[handler code.py] words of an error" in server.log, server)


def test_results_in_parts(server: Server) -> None:
    body = json.dumps({"feed": [{"do": "parts", "n": 2}]})
    answer = HTTP.request(
        "POST",
        f"{server.url}/code/prediction",
        body=body,
        headers={"Content-Type": "application/json", "Accept": "application/x-ndjson"},
    )
    assert [json.loads(line) for line in answer.data.splitlines()] == [{"result": {"part": 0}}, {"result": {"part": 1}}]
    assert result(server, do="parts", n=2) == [{"part": 0}, {"part": 1}]
    assert refusal(server, do="parts", n=5).startswith("500 9000 no third part")
    assert result(server, do="pushed", n=3) == [{"part": k} for k in range(3)]


def test_bytes_have_a_type_a_status_and_headers(server: Server) -> None:
    answer = HTTP.request("POST", f"{server.url}/code/prediction", json={"feed": [{"do": "picture"}]})
    assert (answer.status, answer.headers["Content-Type"], answer.headers["X-Made"]) == (201, "image/png", "by hand")
    assert answer.data == b"\x89PNG"
    assert "a header that cannot be sent" in refusal(server, do="header")


def test_who_has_enough_of_parts_has_the_handler_end_them(server: Server) -> None:
    answer = HTTP.request(
        "POST",
        f"{server.url}/code/prediction",
        body=json.dumps({"feed": [{"do": "endless"}]}),
        preload_content=False,
        headers={"Content-Type": "application/json", "Accept": "application/x-ndjson"},
    )
    answer.read(100)
    answer.close()
    until(lambda: "the endless one is closed" in server.log, server)


def test_other_services_can_be_asked(server: Server) -> None:
    assert result(server, do="ask")["price"][0][0] == pytest.approx(22.5, abs=5)
    assert result(server, do="ask_from_a_thread") == {"shape": [2, 1]}


@pytest.mark.parametrize("how", [{"do": "ask_itself", "name": "code"}, {"do": "ask_back"}])
def test_one_that_waits_for_itself_is_told_at_once_that_there_is_no_answer(server: Server, how: Any) -> None:
    began = time.monotonic()
    assert "waits for an answer which none of its 1 process(es) can give meanwhile" in refusal(server, **how)
    assert time.monotonic() - began < 2
    assert "no service 'another'" in refusal(server, do="ask_itself", name="another")


def test_one_with_two_processes_can_ask_itself(server: Server) -> None:
    registry(server, "other", "scale", instances=2)
    asking = {"feed": [{"do": "ask_itself", "name": "other"}]}
    for _ in range(4):
        assert HTTP.request("POST", f"{server.url}/other/prediction", json=asking).json() == {"result": {}}
    registry(server, "other", "scale", instances=1)


def test_tensors_need_a_handler_that_says_which_it_takes(server: Server) -> None:
    v2 = {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
    answer = HTTP.request("POST", f"{server.url}/v2/models/code/infer", json=v2)
    assert (answer.status, "takes no tensors" in answer.json()["error"]) == (501, True)


def test_nothing_is_left_of_many_calls(server: Server) -> None:
    result(server, do="large", n=50_000)
    before = result(server, do="pid")
    for _ in range(100):
        result(server, do="large", n=50_000)
        result(server, do="ask")
    after = result(server, do="pid")
    assert after["pid"] == before["pid"]
    assert after["files"] <= before["files"] + 2


def test_children_of_user_code_end_with_the_engine(server: Server) -> None:
    children = [psutil.Process(pid) for pid in result(server, do="fork")["children"]]
    os.kill(result(server, do="pid")["pid"], signal.SIGKILL)
    until(lambda: post(server, do="pid")[0] == 200, server)
    until(lambda: are_gone(children), server)


def test_one_that_has_enough_is_replaced_and_its_last_results_arrive(server: Server) -> None:
    before = result(server, do="pid")["pid"]
    assert result(server, do="spend") == {"words": "my last"}
    until(lambda: post(server, do="pid")[1]["result"]["pid"] != before, server)
    assert "this handler has had enough; another process takes this place" in server.log


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_user_code_outlives_the_server(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "code.py").write_text(_CODE)
    with serve(tmp_path, f"code={tmp_path / 'code.py'}") as server, ThreadPoolExecutor(1) as pool:
        children = [psutil.Process(pid) for pid in result(server, do="fork")["children"]]
        children.append(psutil.Process(result(server, do="pid")["pid"]))
        if how == signal.SIGKILL:  # and user code hangs
            hung = pool.submit(HTTP.request, "POST", f"{server.url}/code/prediction", json={"feed": [{"do": "hang"}]})
            time.sleep(0.5)
        server.process.send_signal(how)
        until(lambda: are_gone(children), server)
        if how == signal.SIGKILL:
            assert isinstance(hung.exception(30), urllib3.exceptions.HTTPError)


def test_calls_that_were_not_begun_are_answered_by_the_next_process(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(_CODE)
    with serve(tmp_path, f"code={tmp_path / 'code.py'}") as server, ThreadPoolExecutor(4) as pool:
        pid = result(server, do="pid")["pid"]
        begun = pool.submit(post, server, do="sleep", s=30.0)
        time.sleep(0.5)
        waiting = [pool.submit(post, server, do="pid") for _ in range(3)]
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        assert "died while it worked on this request" in begun.result()[1]["err_msg"]
        assert [future.result()[0] for future in waiting] == [200] * 3


def test_the_registry_scales_and_unloads_it(server: Server) -> None:
    registry(server, "code", "scale", instances=2)
    pids = set()
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(result, server, do="sleep", s=0.05) for _ in range(8)]:
            future.result()
        for future in [pool.submit(result, server, do="pid") for _ in range(30)]:
            pids.add(future.result()["pid"])
    assert len(server.children("engine.worker")) == 4
    registry(server, "code", "unload")
    assert refusal(server, do="pid").startswith("404 3002 service 'code' is not loaded")
    registry(server, "code", "load")
    assert result(server, x=1) == {"sum": 1}
