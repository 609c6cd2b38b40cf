"""Pages, metrics, A/B test, shadow and cache of a running server with two fronts."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from paddle_serving_client.client import Client
from paddle_serving_client.model_config import SERVER_CONFIG
from paddle_serving_server.config import command_line
from paddle_serving_server.protocols.http import drawing
from paddle_serving_server.showing import status
from paddle_serving_server.showing.status import Table
from tests import models
from tests.serving import HTTP, ROOT, Server, free_port, serve

X = models.UCI_INPUT.tolist()


class Operated:
    """A server, and ways to look at it."""

    def __init__(self, server: Server, folder: Path, prometheus_port: int) -> None:
        self.server = server
        self.folder = folder
        self.prometheus_port = prometheus_port

    def get(self, path: str, accept: str = "*/*") -> BaseHTTPResponse:
        """A page."""
        return HTTP.request("GET", self.server.url + path, headers={"Accept": accept, "Connection": "close"})

    def predict(self, x: object = X, **headers: str) -> BaseHTTPResponse:
        """A prediction on a connection of its own, so that any front may get it."""
        sent = {"Content-Type": "application/json", "Connection": "close"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps({"feed": [{"x": x}], "fetch": ["price"]})
        return HTTP.request("POST", f"{self.server.url}/uci/prediction", body=body, headers=sent)

    def weigh(self, **weights: object) -> BaseHTTPResponse:
        """Change weights."""
        return HTTP.request("POST", f"{self.server.url}/services/uci/variants", body=json.dumps(weights))

    def replace_a_front(self) -> None:
        """Kill a front, and wait until there is another one that accepts."""
        fronts = self.server.children("front.process")
        os.kill(fronts[0], signal.SIGKILL)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(HTTPError):
                pages = [self.get("/status").data.decode() for _ in range(8)]
                answering = {int(n) for page in pages for n in re.findall(r"front +process (\d+)", page)}
                if answering == set(self.server.children("front.process")) and len(answering) == 2:
                    return
            assert time.monotonic() < until
            time.sleep(0.05)

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels."""
        text = self.get("/metrics").data.decode()
        return {
            sample.name + str(dict(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """One sample; 0 where there is none yet."""
        return self.metrics().get(name + str(dict(sorted(labels.items()))), 0.0)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """Two fronts, a variant that gets nothing unless asked for, a shadow with other weights, metrics."""
    folder = tmp_path_factory.mktemp("operated")
    a, b = models.uci(folder / "a"), models.uci(folder / "b", weights=models.UCI_W * np.float32(2))
    port = free_port()
    trials = ("--variant", f"b={b}:0", "--shadow", f"next={b}", "--request_cache_size", "1000000")
    keys = ("--variant_by_log_id",)
    prometheus = ("--enable_prometheus", "--prometheus_port", str(port))
    model = ("--model", str(a), "--name", "uci", "--fronts", "2", "--backend", "paddle")
    with serve(folder, *model, *trials, *keys, *prometheus) as server:
        yield Operated(server, a, port)


def test_any_front_shows_the_counts_of_all_and_they_survive_a_front(operated: Operated) -> None:
    labels = {"service": "uci", "protocol": "http"}
    before = operated.metric("paddle_serving_requests_total", **labels)
    for _ in range(20):
        assert operated.predict().status == 200
    assert operated.predict([1.0]).status == 400
    for _ in range(5):
        assert operated.metric("paddle_serving_requests_total", **labels) == before + 21
    operated.replace_a_front()
    assert operated.metric("paddle_serving_requests_total", **labels) == before + 21
    assert operated.metric("paddle_serving_failures_total", **labels, err_no="5000") >= 1
    assert operated.metric("paddle_serving_restarts_total", kind="front") >= 1


def test_metrics_are_what_prometheus_reads_under_all_their_addresses(operated: Operated) -> None:
    operated.predict()
    found = operated.metrics()
    assert found["paddle_serving_ready{}"] == 1
    seconds = "paddle_serving_request_duration_seconds"
    buckets = [value for name, value in found.items() if name.startswith(f"{seconds}_bucket") and "'uci'" in name]
    assert buckets == sorted(buckets) and len(buckets) == 19
    assert buckets[-1] == operated.metric(f"{seconds}_count", service="uci", protocol="http")
    old = {"model": "general", "version": "0"}
    ok = operated.metric("pd_query_request_success_total", **old)
    failed = operated.metric("pd_query_request_failure_total", **old)
    assert ok + failed == sum(v for name, v in found.items() if name.startswith("paddle_serving_requests_total"))
    for name in ("pd_inference_count_total", "pd_query_request_duration_us_total", "pd_inference_duration_us_total"):
        assert operated.metric(name, **old) > 0
    for url in (f"{operated.server.url}/brpc_metrics", f"http://127.0.0.1:{operated.prometheus_port}/metrics"):
        assert b"paddle_serving_requests_total" in HTTP.request("GET", url).data


def test_rpc_calls_are_counted_by_their_protocol(operated: Operated) -> None:
    before = operated.metric("paddle_serving_requests_total", service="uci", protocol="brpc")
    with Client() as client:
        client.load_client_config(str(operated.folder / "serving_client_conf.prototxt"))
        client.connect([f"127.0.0.1:{operated.server.port}"])
        assert client.predict(feed={"x": models.UCI_INPUT}, fetch=["price"], batch=False) is not None
    assert operated.metric("paddle_serving_requests_total", service="uci", protocol="brpc") == before + 1


def test_grpc_calls_are_counted_by_theirs(operated: Operated) -> None:
    message = (ROOT / "tests" / "data" / "frames" / "grpc_message_uci.bin").read_bytes()
    path = "/baidu.paddle_serving.predictor.general_model.GeneralModelService/inference"
    with grpc.insecure_channel(f"127.0.0.1:{operated.server.port}") as channel:
        call = channel.unary_unary(path)
        call(message, timeout=30)
        with pytest.raises(grpc.RpcError):
            call(b"\xff", timeout=30)
    counted = {"service": "uci", "protocol": "grpc"}
    assert operated.metric("paddle_serving_requests_total", **counted) == 2
    assert operated.metric("paddle_serving_failures_total", **counted, err_no="8000") == 1


def test_a_name_that_is_not_served_is_not_a_name_of_its_own_in_counts(operated: Operated) -> None:
    for k in range(3):
        HTTP.request("POST", f"{operated.server.url}/nobody{k}/prediction", body=b"{}")
    assert operated.metric("paddle_serving_failures_total", service="-", protocol="http", err_no="3002") >= 3
    assert not [name for name in operated.metrics() if "nobody" in name]


def test_pages_are_text_for_scripts_and_html_for_browsers(operated: Operated) -> None:
    operated.predict()
    for path, said in (
        ("/index", "/status"),
        ("/index", "/uci/prediction"),
        ("/status", "uci"),
        ("/vars", "process_pid"),
        ("/flags", "max_body_bytes"),
        ("/connections", "http"),
    ):
        text, page = operated.get(path), operated.get(path, accept="text/html,*/*;q=0.8")
        assert (text.status, page.status) == (200, 200), path
        assert text.headers["Content-Type"].startswith("text/plain")
        assert said in text.data.decode() and said in page.data.decode()
        assert page.data.decode().startswith("<!doctype html>")
        assert not re.search(r"(src|href)=\"?(https?:)?//", page.data.decode()), "pages need nothing from elsewhere"
    one = operated.get("/vars/request_uci_http_count").data.decode()
    assert re.fullmatch(r"request_uci_http_count : \d+\n", one)
    assert operated.get("/vars/request_uci_*").data.decode().count("\n") > 5
    missing = operated.get("/vars/<script>", accept="text/html")
    assert missing.status == 404 and missing.headers["Content-Type"].startswith("text/plain")


def test_whatever_stands_in_a_page_is_text() -> None:
    page = drawing.as_html("/<i>", [Table("<b>", ("<u>",), [("<script>",)], "a & b")], [])
    assert not re.search(r"<(i|b|u|script)>", page)
    assert "&lt;script&gt;" in page and "a &amp; b" in page


def test_status_says_how_calls_fare(operated: Operated) -> None:
    for _ in range(10):
        operated.predict()
    rows = [line.split() for line in operated.get("/status").data.decode().splitlines()]
    calls = next(row for row in rows if row[:2] == ["uci", "http"])
    assert int(calls[2]) >= 10
    p50, p90, p99, p999, most = map(float, calls[7:12])
    assert 0 < p50 <= p90 <= p99 <= p999 <= most
    assert next(row for row in rows if row[:3] == ["uci", "a", "main"])


def test_settings_are_shown_without_what_service_files_are_told(tmp_path: Path) -> None:
    (tmp_path / SERVER_CONFIG).touch()  # nobody loads it here
    said = command_line.parse(["--model", str(tmp_path), "--thread", "7", "--", "--token", "my-secret"])[0].config
    said = replace(said, key="c2VjcmV0")
    text = drawing.as_text([status.flags(said)])
    assert re.search(r"\* +threads +7", text)
    assert "secret" not in text and "c2VjcmV0" not in text


def test_a_caller_chooses_a_variant_and_is_told_who_answered(operated: Operated) -> None:
    plain, chosen = operated.predict(), operated.predict(X_Variant="b")
    assert (plain.headers["X-Variant"], chosen.headers["X-Variant"]) == ("main", "b")
    assert plain.json() != chosen.json()
    unknown = operated.predict(X_Variant="c")
    assert (unknown.status, unknown.json()["err_msg"]) == (400, "no variant 'c'; there are 'main', 'b'")


def test_weights_change_in_every_front_and_keys_stay(operated: Operated) -> None:
    try:
        assert operated.weigh(main=50, b=50).json() == {"service": "uci", "weights": {"main": 50.0, "b": 50.0}}
        time.sleep(0.2)
        who = {key: operated.predict(X_Variant_Key=key).headers["X-Variant"] for key in map(str, range(30))}
        assert set(who.values()) == {"main", "b"}
        assert who == {key: operated.predict(X_Variant_Key=key).headers["X-Variant"] for key in who}
        assert operated.weigh(main=0, b=1).status == 200
        time.sleep(0.2)
        assert {operated.predict().headers["X-Variant"] for _ in range(20)} == {"b"}
        operated.replace_a_front()
        assert {operated.predict().headers["X-Variant"] for _ in range(20)} == {"b"}
        refused = operated.weigh(b=0)
        assert (refused.status, refused.json()["err_no"]) == (400, 4000)
        assert "at least one must be more" in refused.json()["err_msg"]
        variants = operated.get("/services").json()["services"][0]["variants"]
        assert {v["name"]: v["weight"] for v in variants} == {"main": 0.0, "b": 1.0}
        assert all(v["calls"] > 0 for v in variants)
        assert operated.metric("paddle_serving_variant_weight", service="uci", variant="b") == 1
    finally:
        operated.weigh(main=100, b=0)


def test_a_log_id_is_a_key_for_calls_over_rpc(operated: Operated) -> None:
    operated.weigh(main=50, b=50)
    time.sleep(0.2)
    try:
        with Client() as client:
            client.load_client_config(str(operated.folder / "serving_client_conf.prototxt"))
            client.connect([f"127.0.0.1:{operated.server.port}"])
            prices = {
                log_id: {
                    float(client.predict({"x": models.UCI_INPUT}, ["price"], log_id=log_id)["price"].item())
                    for _ in range(10)
                }
                for log_id in range(1, 13)
            }
    finally:
        operated.weigh(main=100, b=0)
    assert all(len(found) == 1 for found in prices.values())
    assert len(set.union(*prices.values())) == 2


def test_the_shadows_engine_stands_back_for_the_others(operated: Operated) -> None:
    engines = operated.server.children("engine.worker")
    assert sorted(os.getpriority(os.PRIO_PROCESS, pid) for pid in engines) == [0, 0, 19]


def test_only_who_may_manage_changes_weights(operated: Operated) -> None:
    url = f"{operated.server.url}/services/uci/variants"
    page = HTTP.request("POST", url, body=b'{"b": 1}', headers={"Origin": "http://elsewhere"})
    assert page.status == 403
    assert HTTP.request("POST", url).json()["weights"] == {"main": 100.0, "b": 0.0}


def test_the_shadow_is_compared_and_shown(operated: Operated) -> None:
    labels = {"service": "uci", "model": "a", "shadow": "next"}
    operated.predict([0.5] * 13)
    until = time.monotonic() + 10
    while not operated.metric("paddle_serving_shadow_requests_total", **labels, result="different"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert operated.metric("paddle_serving_shadow_largest_difference", **labels) > 0.01
    assert "float32[1, 13]" in "".join(operated.get("/status").data.decode() for _ in range(8))


def test_an_equal_request_comes_from_the_cache_and_says_so(operated: Operated) -> None:
    x = [float(time.monotonic())] * 13
    before = operated.metric("paddle_serving_cache_lookups_total", result="hit")
    timings = [operated.predict(x).headers["Server-Timing"] for _ in range(6)]
    assert "infer;" in timings[0] and "cache;" not in timings[0]
    assert sum("cache;" in timing for timing in timings) >= 4, "each front computes it once"
    assert operated.metric("paddle_serving_cache_lookups_total", result="hit") >= before + 4


def test_models_that_cannot_stand_in_for_each_other_are_refused_at_the_start(tmp_path: Path) -> None:
    uci, multi = models.uci(tmp_path / "uci"), models.multi(tmp_path / "multi")
    command = ["-m", "paddle_serving_server.serve", "--model", str(uci), "--tune", "off", "--backend", "paddle"]
    said = subprocess.run(
        [sys.executable, *command, "--port", str(free_port()), "--variant", f"b={multi}:10"],
        capture_output=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "SERVING_HOME": str(tmp_path)},
    )
    assert said.returncode == 2
    assert b"variant 'b' cannot stand in for 'main': inputs are 'f', 'i64', 'i32', were 'x'" in said.stderr
