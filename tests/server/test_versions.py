"""Versions that come and go under load, numbered folders, and several engines for one model."""

import os
import pty
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import kept_plans
from paddle_serving_app.choosing.plan import Candidate, Engines, Measurement, Plan
from paddle_serving_client import Client
from tests import models
from tests.server.versions import BIAS, ask, engines, plan, price, reload, set_bias, wait_for
from tests.serving import HTTP, Server, serve

RELOADS = 20
SERVICE = Path(__file__).parent / "service_files" / "twice.py"


class Caller(threading.Thread):
    """Calls again and again, with a pause that leaves the server some time, and notes which versions answered."""

    def __init__(self, call: Callable[[], list[float]], pause_s: float) -> None:
        super().__init__()
        self.versions: list[float] = []
        self.wrong: list[str] = []
        self.is_over = False
        self._call = call
        self._pause_s = pause_s

    def run(self) -> None:
        while not self.is_over:
            try:
                answers = self._call()
                if len(set(answers)) != 1:
                    self.wrong.append(f"one request was answered by several versions: {answers}")
                self.versions.append(answers[0])
            except Exception as exc:
                self.wrong.append(repr(exc))
            time.sleep(self._pause_s)


def test_twenty_reloads_under_load_fail_and_mix_nothing(tmp_path: Path) -> None:
    """By HTTP, by RPC, and by a service that asks its model three times in one request."""
    folder = models.uci(tmp_path / "uci", form="onnx")
    set_bias(folder, 1.0)
    flags = ("--model", str(folder), "--name", "uci", "--service", str(SERVICE), "--backend", "onnxruntime")
    with serve(tmp_path, *flags, "--reload_interval_s", "0.1", "--", str(folder)) as server, Client() as client:
        client.load_client_config(str(folder / "serving_client_conf.prototxt"))
        client.connect([f"127.0.0.1:{server.port}"])

        def by_rpc() -> list[float]:
            reply = client.predict({"x": np.zeros((5, 13), np.float32)}, ["price"], batch=True)
            assert reply is not None
            return [float(value) for value in reply["price"].ravel()]

        def by_http() -> list[float]:
            return [row[0] for row in ask(server, feed=[{"x": [0.0] * 13}] * 3)["price"]]

        callers = [Caller(by_rpc, 0.001), Caller(by_rpc, 0.001), Caller(by_http, 0.001)]
        callers += [Caller(lambda: list(ask(server, "twice", [{}])), 0.01) for _ in range(2)]
        memory = psutil.Process(server.children("front.process")[0]).num_fds()
        for caller in callers:
            caller.start()
        for number in range(2, RELOADS + 2):
            set_bias(folder, float(number))
            if number % 2:
                (folder / "fluid_time_file").touch()
                wait_for(lambda n=number: callers[0].versions[-1:] == [float(n)])  # type: ignore[misc]
            else:
                assert reload(server)[1]["state"] == "reloaded"
        for caller in callers:
            caller.is_over = True
        for caller in callers:
            caller.join()
        assert [caller.wrong for caller in callers] == [[]] * len(callers)
        for caller in callers:
            assert set(caller.versions) <= {float(n) for n in range(1, RELOADS + 2)}
            assert caller.versions == sorted(caller.versions), "an older version answered after a newer one"
        assert set(callers[0].versions) == {float(n) for n in range(1, RELOADS + 2)}
        assert min(len(caller.versions) for caller in callers) > RELOADS
        wait_for(lambda: len(engines(server)) == 1)
        assert psutil.Process(server.children("front.process")[0]).num_fds() <= memory + len(callers)


def test_a_reload_is_done_when_every_front_has_the_new_version(uci_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(uci_folder, tmp_path / "uci"))
    with serve(tmp_path, "--model", str(folder), "--name", "uci", "--fronts", "3") as server:
        for number in (2.0, 3.0):
            set_bias(folder, number)
            assert reload(server)[1]["state"] == "reloaded"
            if number == 2.0:
                # its successor learns which version is live
                os.kill(server.children("front.process")[0], signal.SIGKILL)
                wait_for(lambda: len(server.children("front.process")) == 3)
            for _ in range(30):
                HTTP.clear()  # another connection, which any of the fronts may take
                assert price(server) == number


def test_the_highest_number_is_served_and_new_ones_are_taken_when_they_are_whole(tmp_path: Path) -> None:
    folder = tmp_path / "uci"
    for number in (1, 2):
        models.uci(folder / str(number))
        set_bias(folder / str(number), float(number))
    for name in ("v9", "09", "9.5", "9"):
        (folder / name).mkdir()
    (folder / "9" / "model.pdmodel").write_bytes(b"no config is here")
    with serve(tmp_path, "--model", str(folder), "--reload_interval_s", "0.1") as server:
        assert (price(server), plan(server)["from"]) == (2.0, "2")
        shutil.copytree(folder / "2", tmp_path / "coming")
        set_bias(tmp_path / "coming", 10.0)
        (folder / "10").mkdir()
        for file in sorted((tmp_path / "coming").iterdir(), reverse=True):  # the config first, the weights last
            shutil.copy(file, folder / "10")
            time.sleep(0.5)
            assert price(server) == 2.0
        wait_for(lambda: price(server) == 10.0)
        assert "refused" not in server.log, "a folder was taken before it was whole"
        assert plan(server)["last_reload"]["from"] == plan(server)["from"] == "10"
        shutil.rmtree(folder / "10")  # the way back
        wait_for(lambda: price(server) == 2.0)


def test_a_server_starts_with_the_next_lower_number_when_the_highest_is_broken(tmp_path: Path) -> None:
    models.uci(tmp_path / "uci" / "1")
    models.uci(tmp_path / "uci" / "2")
    (tmp_path / "uci" / "2" / "model.pdiparams").unlink()
    with serve(tmp_path, "--model", str(tmp_path / "uci")) as server:
        assert plan(server)["from"] == "1"
        assert (plan(server)["last_reload"]["state"], plan(server)["last_reload"]["from"]) == ("refused", "2")
        assert "pdiparams" in plan(server)["last_reload"]["reason"]


def test_a_time_file_touched_all_the_time_means_one_reload_after_the_other(uci_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(uci_folder, tmp_path / "uci"))
    with serve(tmp_path, "--model", str(folder), "--reload_interval_s", "0.05") as server:
        most = 0
        for number in range(150):
            if number == 20:
                set_bias(folder, 3.0)
            (folder / "fluid_time_file").touch()
            most = max(most, len(engines(server)))
        wait_for(lambda: price(server) == 3.0)
        assert most <= 3  # one that answers, one that comes, one that goes


def test_of_several_engines_some_may_die(uci_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci", "--instances", "3") as server:
        found = engines(server)
        assert (len(found), plan(server)["instances"]) == (3, 3)
        callers = [Caller(lambda: [row[0] for row in ask(server)["price"]], 0.0) for _ in range(6)]
        for caller in callers:
            caller.start()
        wait_for(lambda: all(caller.versions for caller in callers))
        for pid in found[:2]:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(engines(server)) == 3)
        time.sleep(0.5)
        for caller in callers:
            caller.is_over = True
        for caller in callers:
            caller.join()
        assert [caller.wrong for caller in callers] == [[]] * len(callers)
        assert {round(v, 3) for caller in callers for v in caller.versions} == {round(BIAS, 3)}


def test_a_plan_says_how_many_engines_and_the_next_version_follows_it(uci_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(uci_folder, tmp_path / "uci"))
    candidate = Candidate("openvino", onednn=False, threads=2)
    measured = Plan(
        candidate=candidate,
        max_rows=16,
        engines=Engines(count=2, threads=1, rows_per_s=1000.0),
        why="measured",
        table=(Measurement(candidate, 1, 0.1),),
    )
    assert kept_plans.write(folder, kept_plans.key_of(folder, ModelOptions()), measured)
    with serve(tmp_path, "--model", str(folder), "--name", "uci") as server:
        expected = {"backend": "openvino", "threads": 1, "max_rows": 16, "instances": 2, "why": "measured"}
        assert {key: plan(server)[key] for key in expected} == expected
        set_bias(folder, 2.0)  # no plan is kept for these weights
        assert reload(server)[1]["state"] == "reloaded"
        assert price(server) == 2.0
        assert {key: plan(server)[key] for key in expected} == expected


def test_the_end_of_the_terminal_ends_a_server_and_is_no_reload(uci_folder: Path, tmp_path: Path) -> None:
    """SIGHUP comes from both: from `kill -HUP`, and from a terminal that is closed."""
    child, terminal = pty.fork()
    if child == 0:  # a session of its own, whose terminal is the pair's other end
        try:
            with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as server:
                os.kill(server.process.pid, signal.SIGHUP)
                time.sleep(0.5)
                price(server)
                (tmp_path / "ready").write_text(str(server.process.pid))
                time.sleep(30)
        finally:
            os._exit(0)
    try:
        wait_for((tmp_path / "ready").exists)
        supervisor = psutil.Process(int((tmp_path / "ready").read_text()))
        os.close(terminal)
        wait_for(lambda: not supervisor.is_running() or supervisor.status() == psutil.STATUS_ZOMBIE)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_server_that_was_killed_leaves_copies_that_the_next_one_removes(uci_folder: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path))
        with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as server:
            server.process.kill()
            server.process.wait()
        (left,) = tmp_path.glob("paddle-serving-models-*")
        with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as second:
            (kept,) = tmp_path.glob("paddle-serving-models-*")
            assert kept != left
            assert _answers(second)
        assert list(tmp_path.glob("paddle-serving-models-*")) == []


def _answers(server: Server) -> bool:
    return price(server) == pytest.approx(BIAS, abs=1e-3)
