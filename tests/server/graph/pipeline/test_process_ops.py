"""Ops in engine processes, on a real server: what becomes of requests when these end, hang, print, or are new code."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_server.graph.pipeline import config
from paddle_serving_server.graph.pipeline.op import Op, RequestOp, ResponseOp
from paddle_serving_server.graph.pipeline.pipeline import Pipeline
from tests.server.graph.pipeline.test_pipeline import call
from tests.serving import HTTP, Server, serve

_CODE = """
import os, sys, time
import numpy as np
from paddle_serving_server.web_service import Op, WebService

class One(Op):
    def init_op(self):
        self.made_by = 1

    def preprocess(self, input_dicts, data_id, log_id):
        ((_, said),) = input_dicts.items()
        do = said.get("do")
        if do == "sleep":
            time.sleep(float(said["s"]))
        if do == "exit":
            sys.exit(3)
        if do == "print":
            print("printed words")
        return {"x": np.ones((1, 1)), "slow": np.full((1, 1), do == "slow")}, False, None, ""

    def process(self, feed_batch, typical_logid):
        if feed_batch[0]["slow"].any():
            time.sleep(60)
        return {"rows": np.full((len(feed_batch[0]["x"]), 1), len(feed_batch[0]["x"]))}, 0, ""

    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        worker = {"pid": os.getpid(), "number": self.concurrency_idx, "made_by": self.made_by}
        told = {"rows": int(fetch_data["rows"][0, 0]), **worker}
        return {name: str(value) for name, value in told.items()}, None, ""

class Service(WebService):
    def get_pipeline_response(self, read_op):
        return One(name=f"{self.name}_op", input_ops=[read_op])

OPS = {
    "one": ({"timeout": 100}, {}),
    "batches": ({"batch_size": 3, "auto_batching_timeout": 2000}, {}),
    "narrow": ({"concurrency": 2}, {"channel_size": 1}),
    "each": ({}, {}),
}
for name in sys.argv[1:]:
    service = Service(name=name)
    settings, dag = OPS[name]
    lines = {"worker_num": 2, "build_dag_each_worker": name == "each"}
    told = {**lines, "http_port": 18000, "dag": {"is_thread_op": False, **dag}, "op": {f"{name}_op": settings}}
    service.prepare_pipeline_config(yml_dict=told)
    service.run_service()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("process_ops")
    (folder / "code.py").write_text(_CODE)
    with serve(
        folder, "--service", str(folder / "code.py"), "--tune", "off", "--", "one", "batches", "narrow"
    ) as running:
        yield running


def answer(server: Server, name: str, **texts: Any) -> dict[str, str]:
    told = call(server, name, None, **texts)
    assert told["err_no"] == 0, told
    values: dict[str, str] = told["values"]
    return values


def until(is_so: Callable[[], Any], server: Server) -> None:
    end = time.monotonic() + 40
    while not is_so():
        assert time.monotonic() < end, server.log
        time.sleep(0.05)


def test_what_had_begun_is_an_error_once_and_what_waited_goes_to_the_next_process(server: Server) -> None:
    pid = int(answer(server, "one")["pid"])
    with ThreadPoolExecutor(8) as pool:
        begun = pool.submit(call, server, "one", do="sleep", s="30")
        time.sleep(0.5)
        waiting = [pool.submit(answer, server, "one") for _ in range(5)]
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        told = begun.result()
        assert (told["err_no"], told["err_msg"]) == (
            9000,
            "op 'one_op': the engine process died while it worked on this request",
        )
        pids = {future.result()["pid"] for future in waiting}
    assert len(pids) == 1
    assert pids != {str(pid)}
    assert re.search(r"engine 0 of op one_op of .*code.py ended \(signal SIGKILL\)", server.log), server.log


def test_exit_and_print_harm_nobody(server: Server) -> None:
    pid = answer(server, "one")["pid"]
    told = call(server, "one", do="exit")
    assert (told["err_no"], "raised SystemExit(3)" in told["err_msg"]) == (10000, True), told
    assert answer(server, "one", do="print")["pid"] == pid
    until(lambda: "[op one_op] printed words" in server.log, server)


def test_a_process_with_too_many_calls_that_hang_is_replaced_and_each_is_answered(server: Server) -> None:
    pid = answer(server, "one")["pid"]
    for _ in range(8):
        told = call(server, "one", do="slow")
        assert (told["err_no"], "took too long" in told["err_msg"]) == (6000, True), told
    assert answer(server, "one")["pid"] != pid
    assert "8 calls of process hang in op one_op; another process takes this place" in server.log


def test_a_batch_goes_to_one_process(server: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        began = time.monotonic()
        rows = [future.result()["rows"] for future in [pool.submit(answer, server, "batches") for _ in range(6)]]
        assert rows == ["3"] * 6
        assert time.monotonic() - began < 1.8  # a full one does not wait
    began = time.monotonic()
    assert answer(server, "batches")["rows"] == "1"
    assert time.monotonic() - began > 1.8


def test_workers_have_numbers_and_a_channel_has_a_size(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: answer(server, "narrow", do="sleep", s="0.1"), range(8)))
    assert {one["number"] for one in answers} == {"0", "1"}
    assert len({one["pid"] for one in answers}) == 2


@pytest.mark.parametrize(("builds", "count"), [(False, 2), (True, 6)])
def test_how_many_processes_an_op_has(builds: bool, count: int) -> None:
    told = {"http_port": 9999, "worker_num": 3, "build_dag_each_worker": builds, "dag": {"is_thread_op": False}}
    read = config.read(yml_dict={**told, "op": {"a": {"concurrency": 2}}})
    assert Pipeline("p", ResponseOp([Op("a", input_ops=[RequestOp()])]), read).process_ops == {"a": count}


def test_each_front_has_processes_of_its_own_to_begin_with(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(_CODE)
    flags = ("--service", str(tmp_path / "code.py"), "--fronts", "2", "--tune", "off", "--", "each")
    with serve(tmp_path, *flags) as server, ThreadPoolExecutor(8) as pool:

        def pids() -> set[str]:
            answers = pool.map(lambda _: answer(server, "each", do="sleep", s="0.02"), range(16))
            return {one["pid"] for one in answers}

        until(lambda: len(pids()) == 2, server)
        assert len(server.children("engine.worker")) == 2


def test_new_code_is_run_by_new_processes_and_a_broken_init_op_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(_CODE)
    with serve(tmp_path, "--service", str(file), "--reload_code", "--tune", "off", "--", "one") as server:
        first = answer(server, "one")
        file.write_text(_CODE.replace("self.made_by = 1", "self.made_by = undefined"))
        until(lambda: report(server).get("state") == "refused", server)
        assert "op 'one_op': init_op failed: NameError: name 'undefined' is not defined" in report(server)["reason"]
        assert answer(server, "one") == first
        file.write_text(_CODE.replace("self.made_by = 1", "self.made_by = 2"))
        until(lambda: report(server).get("state") == "loaded", server)
        assert answer(server, "one")["made_by"] == "2"
        until(lambda: len(server.children("engine.worker")) == 1, server)
        assert len(server.children("front.process")) == 1


def report(server: Server) -> dict[str, str]:
    told: dict[str, str] = HTTP.request("GET", f"{server.url}/services").json().get("code", {})
    return told
