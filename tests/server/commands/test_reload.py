"""A running server takes new versions of its models, refuses broken ones and says why, and nobody notices either."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from paddle_serving_client import manifest
from tests import models
from tests.server.versions import BIAS, ask, engines, plan, price, reload, set_bias, wait_for
from tests.serving import HTTP, ROOT, Server, serve

# -- broken versions


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.uci(tmp_path_factory.mktemp("good") / "uci")


@pytest.fixture(scope="module")
def served(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(good, tmp_path_factory.mktemp("served") / "uci"))


@pytest.fixture(scope="module")
def server(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--model", str(served), "--name", "uci", "--reload_interval_s", "0")
    with serve(tmp_path_factory.mktemp("server"), *flags) as running:
        yield running


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


def program_empty(folder: Path) -> None:
    (folder / "model.pdmodel").write_bytes(b"")


def program_cut(folder: Path) -> None:
    os.truncate(folder / "model.pdmodel", 2000)


def program_garbage(folder: Path) -> None:
    (folder / "model.pdmodel").write_bytes(os.urandom(5000))


def params_missing(folder: Path) -> None:
    (folder / "model.pdiparams").unlink()


def params_cut(folder: Path) -> None:
    os.truncate(folder / "model.pdiparams", 80)


def params_too_long(folder: Path) -> None:
    with (folder / "model.pdiparams").open("ab") as file:
        file.write(b"junk")


def one_bit_flipped(folder: Path) -> None:
    manifest.write(folder, ["model.pdmodel", "model.pdiparams"])
    raw = bytearray((folder / "model.pdiparams").read_bytes())
    raw[-5] ^= 1
    (folder / "model.pdiparams").write_bytes(raw)


def no_numbers(folder: Path) -> None:
    set_bias(folder, float("nan"))


def config_missing(folder: Path) -> None:
    manifest.write(folder, ["model.pdmodel", "model.pdiparams"])
    (folder / "serving_server_conf.prototxt").unlink()


def config_garbage(folder: Path) -> None:
    (folder / "serving_server_conf.prototxt").write_text("feed_var { name: ]\n")


def config_of_another_model(folder: Path) -> None:
    text = (folder / "serving_server_conf.prototxt").read_text()
    (folder / "serving_server_conf.prototxt").write_text(text.replace('"x"', '"image"'))


def params_a_pipe(folder: Path) -> None:
    (folder / "model.pdiparams").unlink()
    os.mkfifo(folder / "model.pdiparams")


def a_link_that_leads_out(folder: Path) -> None:
    manifest.write(folder, ["model.pdmodel", "model.pdiparams"])
    (folder / "model.pdiparams").rename(folder.parent / "elsewhere.pdiparams")
    (folder / "model.pdiparams").symlink_to(folder.parent / "elsewhere.pdiparams")


def an_unknown_operator(folder: Path) -> None:
    raw = (folder / "model.pdmodel").read_bytes()
    assert raw.count(b"elementwise_add")
    (folder / "model.pdmodel").write_bytes(raw.replace(b"elementwise_add", b"elementwise_xyz"))


def another_type(folder: Path) -> None:
    shutil.rmtree(folder)
    models.multi(folder)


@pytest.mark.parametrize(
    ("breakage", "reason"),
    [
        (gone, "there is no such file or folder"),
        (a_file, "serving_server_conf.prototxt"),
        (program_empty, "model.pdmodel"),
        (program_cut, "model.pdmodel"),
        (program_garbage, "model.pdmodel"),
        (params_missing, "pdiparams"),
        (params_cut, "too early"),
        (params_too_long, "pdiparams"),
        (one_bit_flipped, "SHA-256"),
        (no_numbers, "not finite"),
        (config_missing, "has no serving_server_conf.prototxt"),
        (config_garbage, "serving_server_conf.prototxt"),
        (config_of_another_model, "do not belong together"),
        (params_a_pipe, "a pipe, not a regular file"),
        (a_link_that_leads_out, "leads out of the folder"),
        (an_unknown_operator, "elementwise_xyz"),
        (another_type, "another signature"),
    ],
)
def test_a_broken_version_is_refused_and_the_old_one_stays(
    server: Server, served: Path, good: Path, breakage: Callable[[Path], None], reason: str
) -> None:
    before = engines(server)
    try:
        breakage(served)
        status, report = reload(server)
        assert (status, report["state"]) == (409, "refused"), report
        assert reason in report["reason"]
        assert str(served) in report["reason"] or reason == "another signature"
        assert plan(server)["last_reload"] == report
        assert price(server) == pytest.approx(BIAS, abs=1e-3)
        wait_for(lambda: engines(server) == before)
    finally:
        served.unlink() if served.is_file() else shutil.rmtree(served, ignore_errors=True)
        shutil.copytree(good, served)
        (served.parent / "elsewhere.pdiparams").unlink(missing_ok=True)


def test_external_data_of_onnx_that_leads_out_is_refused(server: Server, served: Path, good: Path) -> None:
    import onnx

    shutil.rmtree(served)
    models.uci(served, form="onnx")
    graph = onnx.load(str(served / "model.onnx"))
    onnx.external_data_helper.convert_model_to_external_data(graph, location="weights.bin", size_threshold=0)
    onnx.save(graph, str(served / "model.onnx"))
    raw = (served / "model.onnx").read_bytes()
    (served / "model.onnx").write_bytes(raw.replace(b"weights.bin", b"../eights.b"))
    status, report = reload(server)
    assert (status, report["state"]) == (409, "refused")
    assert "../eights.b" in report["reason"]
    assert price(server) == pytest.approx(BIAS, abs=1e-3)
    shutil.rmtree(served)
    shutil.copytree(good, served)


def new_engine(server: Server, before: list[int]) -> int:
    """The process that loads the next version."""
    wait_for(lambda: set(engines(server)) - set(before))
    return (set(engines(server)) - set(before)).pop()


def test_a_loader_that_crashes_takes_nobody_with_it(server: Server, served: Path) -> None:
    before = engines(server)
    set_bias(served, 7.0)
    replies: list[tuple[int, dict[str, Any]]] = []
    asking = threading.Thread(target=lambda: replies.append(reload(server)))
    asking.start()
    os.kill(new_engine(server, before), signal.SIGSEGV)
    asking.join(30)
    (status, report), *_ = replies
    assert (status, report["state"]) == (409, "refused")
    assert "SIGSEGV" in report["reason"]
    assert price(server) == pytest.approx(BIAS, abs=1e-3)
    assert reload(server)[1]["state"] == "reloaded"
    assert price(server) == 7.0
    set_bias(served, BIAS)
    assert reload(server)[1]["state"] == "reloaded"


def test_the_same_bytes_are_not_loaded_again(server: Server, served: Path) -> None:
    wait_for(lambda: len(engines(server)) == 1)
    before = engines(server)
    (served / "model.pdiparams").touch()
    assert reload(server) == (200, plan(server)["last_reload"])
    assert plan(server)["last_reload"]["state"] == "unchanged"
    assert engines(server) == before


def test_a_dead_engine_comes_back_with_its_own_version_whatever_lies_in_the_folder(
    server: Server, served: Path, good: Path
) -> None:
    params_cut(served)
    wait_for(lambda: len(engines(server)) == 1)
    (engine,) = engines(server)
    os.kill(engine, signal.SIGKILL)
    wait_for(lambda: engines(server) not in ([], [engine]))
    assert price(server) == pytest.approx(BIAS, abs=1e-3)
    shutil.rmtree(served)
    shutil.copytree(good, served)


def test_another_signature_is_served_when_the_call_allows_it(tmp_path: Path, good: Path) -> None:
    folder = Path(shutil.copytree(good, tmp_path / "uci"))
    with serve(tmp_path, "--model", str(folder), "--name", "uci") as server:
        another_type(folder)
        assert reload(server)[1]["state"] == "refused"
        assert reload(server, "?allow_signature_change=true")[1]["state"] == "reloaded"
        feed = [{"f": [1.0, 2.0, 3.0], "i64": [1, 2], "i32": [3, 4]}]
        _, i64, _ = models.multi_answer([[1.0, 2.0, 3.0]], [[1, 2]], [[3, 4]])
        assert list(i64.ravel()) in [np.ravel(value).tolist() for value in ask(server, feed=feed).values()]


def test_a_loader_that_hangs_is_given_up(tmp_path: Path, good: Path) -> None:
    folder = Path(shutil.copytree(good, tmp_path / "uci"))
    flags = ("--model", str(folder), "--name", "uci", "--load_timeout_s", "1", "--reload_interval_s", "0.1")
    with serve(tmp_path, *flags) as server:
        before = engines(server)
        set_bias(folder, 7.0)
        (folder / "fluid_time_file").touch()
        os.kill(new_engine(server, before), signal.SIGSTOP)
        wait_for(lambda: (plan(server)["last_reload"] or {}).get("state") == "refused")
        assert "not loaded in 1 s" in plan(server)["last_reload"]["reason"]
        wait_for(lambda: engines(server) == before)
        assert price(server) == pytest.approx(BIAS, abs=1e-3)


# -- who may ask, and how


def test_only_who_may_ask_is_answered(server: Server) -> None:
    url = f"{server.url}/services/uci/reload"
    assert HTTP.request("POST", url, headers={"Origin": "http://example.com"}).status == 403
    assert HTTP.request("POST", url, headers={"X-Forwarded-For": "10.1.2.3"}).status == 403
    assert HTTP.request("GET", url).status == 405
    for name in ("nobody", "..%2Fetc", "%0A", "x" * 300):
        assert HTTP.request("POST", f"{server.url}/services/{name}/reload").status == 404
    address = next(
        (a.address for link in psutil.net_if_addrs().values() for a in link
         if a.family == socket.AF_INET and not a.address.startswith("127.")), None,
    )  # fmt: skip
    if address is not None:
        connection = http.client.HTTPConnection(address, server.port, timeout=10)
        connection.request("POST", "/services/uci/reload")
        assert connection.getresponse().status == 403
        connection.close()


def test_the_command_and_the_signal_reload(server: Server, served: Path) -> None:
    command = [sys.executable, "-m", "paddle_serving_server.serve", "reload", "--port", str(server.port)]
    set_bias(served, 3.0)
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (said.returncode, said.stdout.strip()) == (0, "uci (uci): reloaded")
    assert price(server) == 3.0
    params_too_long(served)
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (said.returncode, "uci (uci): refused" in said.stdout) == (1, True)
    os.truncate(served / "model.pdiparams", (served / "model.pdiparams").stat().st_size - 4)
    set_bias(served, BIAS)
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: price(server) == pytest.approx(BIAS, abs=1e-3))


def test_what_is_asked_while_a_version_loads_is_done_once(server: Server, served: Path) -> None:
    set_bias(served, 5.0)
    before = int(plan(server)["version"])
    replies: list[tuple[int, dict[str, Any]]] = []
    threads = [threading.Thread(target=lambda: replies.append(reload(server))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(replies) == 32
    assert {report["state"] for _, report in replies} <= {"reloaded", "unchanged"}
    assert price(server) == 5.0
    set_bias(served, BIAS)
    assert reload(server)[1]["state"] == "reloaded"
    assert int(plan(server)["version"]) <= before + 3  # the first, one for all others, and this
