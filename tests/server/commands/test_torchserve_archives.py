"""Archives that a registration brings itself, or has fetched, answers in parts, and settings that change meanwhile."""

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import torchserves
from tests.data import torchserve as recorded
from tests.server.versions import Callers, wait_for
from tests.serving import HTTP
from tests.torchserves import TorchServe, archive

LENGTHS = """
import time

from ts.handler_utils.utils import send_intermediate_predict_response


def handle(data, context):
    if data is None:
        return None
    body = data[0]["body"]
    if body == b"memory":
        raise MemoryError("none left")
    if body.startswith(b"sleep"):
        time.sleep(float(body[5:]))
    if body.startswith(b"parts"):
        context.set_response_content_type(0, "text/plain")
        for k in range(3):
            send_intermediate_predict_response([f"part {k}\\n"], context.request_ids, "Intermediate", 200, context)
            time.sleep(0.1)
        if body == b"parts and an error":
            raise ValueError("too bad")
        return ["the end\\n"]
    context.metrics.add_counter("Bodies", 2)
    context.metrics.add_metric("Longest", 1.5, "bytes")
    return [{"length": len(row["body"]), "of": len(data)} for row in data]
"""


class Files(http.server.BaseHTTPRequestHandler):
    """A place for archives: each file of a folder, and addresses that lead elsewhere."""

    folder: Path

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        if name.startswith("to/"):
            self.send_response(302)
            self.send_header("Location", name.removeprefix("to/"))
            self.end_headers()
            return
        path = self.folder / name
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *said: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A folder with archives that is no store, and the port that it can be had from."""
    folder = tmp_path_factory.mktemp("elsewhere") / "files"
    folder.mkdir()
    archive(folder, "lengths", LENGTHS)
    archive(folder, "other", LENGTHS)
    (folder / "page.mar").write_text("no archive")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Files,), {"folder": folder})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, elsewhere: tuple[Path, int]) -> Iterator[TorchServe]:
    folder = tmp_path_factory.mktemp("archives")
    store = folder / "store"
    store.mkdir()
    settings = {
        "enable_model_api": "true",
        "default_response_timeout": "3",
        "allowed_urls": f"http://127.0.0.1:{elsewhere[1]}/.*,file://{elsewhere[0]}/.*",
    }
    with torchserves.serve(folder, store, settings, "--ncs") as server:
        yield server


@pytest.fixture
def lengths(server: TorchServe, elsewhere: tuple[Path, int]) -> Iterator[TorchServe]:
    """The server with a model."""
    url = f"file://{elsewhere[0]}/lengths.mar"
    status, answer = server.ask("POST", f"/models?url={url}&initial_workers=1")
    assert status == 200, answer
    yield server
    server.ask("DELETE", "/models/lengths")


def fetched(server: TorchServe, folder: Path) -> list[Path]:
    return list((folder / "store" / ".fetched").glob("*"))


def test_from_an_address(server: TorchServe, elsewhere: tuple[Path, int]) -> None:
    """Only from those that are allowed, redirects as well; gone from the store with the model."""
    base = f"http://127.0.0.1:{elsewhere[1]}"
    for address in (f"{base}/lengths.mar", f"{base}/to/{base}/lengths.mar"):
        status, answer = server.ask("POST", f"/models?url={address}&initial_workers=1")
        text = 'Model "lengths" Version: 1.0 registered with 1 initial workers'
        assert (status, answer) == (200, {"status": text})
        assert server.ask("GET", "/models")[1]["models"] == [{"modelName": "lengths", "modelUrl": address}]
        assert server.predict("lengths")[1] == {"length": 3, "of": 1}
        assert server.ask("DELETE", "/models/lengths")[0] == 200
    for address, status, kind, words in (
        (f"{base}/nope.mar", 400, "DownloadArchiveException", "it answered 404"),
        (f"{base}/to/http://127.0.0.2/lengths.mar", 400, "DownloadArchiveException", "allowed_urls does not have"),
        (f"{base}/to/file:///etc/passwd", 400, "DownloadArchiveException", "allowed_urls does not have"),
        (
            f"{base}/to/{base}/to/{base}/to/{base}/to/{base}/to/{base}/to/{base}/x",
            400,
            "DownloadArchiveException",
            "re",
        ),
        (f"{base}/page.mar", 400, "InvalidModelException", "not"),
        ("http://127.0.0.2/lengths.mar", 404, "ModelNotFoundException", "does not match any allowed URL"),
        ("file:///etc/passwd", 404, "ModelNotFoundException", "does not match any allowed URL"),
        (f"{base}/..%2f..%2fetc/passwd", 404, "ModelNotFoundException", "Relative path is not allowed"),
        ("ftp://127.0.0.1/x.mar", 404, "ModelNotFoundException", "does not match any allowed URL"),
        (f"file://{elsewhere[0]}/nope.mar", 404, "ModelNotFoundException", "Model not found at"),
    ):
        found, answer = server.ask("POST", f"/models?url={address}")
        assert (found, answer["type"]) == (status, kind), (address, answer)
        assert words in answer["message"], answer


def test_from_the_caller(server: TorchServe, elsewhere: tuple[Path, int], tmp_path: Path) -> None:
    """As it is, and as the file of a form."""
    content = (elsewhere[0] / "other.mar").read_bytes()
    form, kind = recorded.form(("file", content, "other.mar"))
    for body, headers in ((content, {}), (form, {"Content-Type": kind})):
        status, answer = server.ask("POST", "/models?initial_workers=1&model_name=mine", body=body, headers=headers)
        assert (status, answer["status"]) == (200, 'Model "mine" Version: 1.0 registered with 1 initial workers')
        assert server.predict("mine", b"12")[1]["length"] == 2
        assert server.ask("POST", "/models?model_name=mine", body=content)[0] == 409
        assert server.predict("mine", b"12")[1]["length"] == 2
        assert server.ask("DELETE", "/models/mine")[0] == 200
    status, answer = server.ask("POST", "/models", body=b"no archive")
    assert (status, answer["type"]) == (400, "InvalidModelException")


def test_an_answer_in_parts(lengths: TorchServe) -> None:
    """In chunks, as they are made; what else waits is answered behind it."""
    began = time.monotonic()
    reply = HTTP.request("POST", lengths.url("inf", "/predictions/lengths"), body=b"parts", preload_content=False)
    assert (reply.status, reply.headers["Transfer-Encoding"]) == (200, "chunked")
    assert reply.headers["Content-Type"] == "text/plain"
    other: list[Any] = []
    thread = threading.Thread(target=lambda: other.append(lengths.predict("lengths")))
    thread.start()
    parts, times = [], []
    for part in reply.read_chunked():
        parts.append(part.decode())
        times.append(time.monotonic() - began)
    thread.join()
    assert parts == ["part 0\n", "part 1\n", "part 2\n", "the end\n"]
    assert times[-1] - times[0] > 0.05
    assert other == [(200, {"length": 3, "of": 1})]
    body = b"parts and an error"
    reply = HTTP.request("POST", lengths.url("inf", "/predictions/lengths"), body=body, preload_content=False)
    with pytest.raises(Exception, match="ended prematurely|IncompleteRead|broken"):
        list(reply.read_chunked())
    assert lengths.predict("lengths")[0] == 200


def test_a_caller_who_goes_away_keeps_nobody_waiting(lengths: TorchServe) -> None:
    reply = HTTP.request("POST", lengths.url("inf", "/predictions/lengths"), body=b"parts", preload_content=False)
    next(iter(reply.read_chunked()))
    reply.close()
    assert lengths.predict("lengths")[1]["length"] == 3


def test_batches_change_while_calls_are_answered(lengths: TorchServe) -> None:
    def call() -> None:
        status, answer = lengths.predict("lengths")
        assert status == 200, answer

    with Callers(call) as callers:
        path = "/models/lengths?batch_size=4&max_batch_delay=20&synchronous=true"
        assert lengths.ask("PUT", path) == (200, {"status": "Workers scaled to 1 for model: lengths"})
    assert (callers.wrong, callers.answered > 0) == ([], True)
    (described,) = lengths.ask("GET", "/models/lengths")[1]
    assert (described["batchSize"], described["maxBatchDelay"], described["minWorkers"]) == (4, 20, 1)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(lengths.predict("lengths"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(answer["of"] for _, answer in found) > 1


def test_a_worker_that_takes_too_long_is_replaced(lengths: TorchServe) -> None:
    assert lengths.ask("PUT", "/models/lengths?response_timeout=1&synchronous=true")[0] == 200
    (before,) = lengths.ask("GET", "/models/lengths")[1][0]["workers"]
    status, answer = lengths.predict("lengths", b"sleep60")
    assert status in (500, 503, 504), answer
    wait_for(lambda: lengths.predict("lengths")[0] == 200, 30)
    (after,) = lengths.ask("GET", "/models/lengths")[1][0]["workers"]
    assert before["pid"] != after["pid"]


def test_a_model_may_have_more_time_than_others(lengths: TorchServe) -> None:
    assert lengths.ask("PUT", "/models/lengths?response_timeout=20&synchronous=true")[0] == 200
    assert lengths.predict("lengths", b"sleep4")[1]["length"] == 6


def test_no_memory(lengths: TorchServe) -> None:
    status, answer = lengths.predict("lengths", b"memory")
    assert (status, answer["message"]) == (507, "Out of resources")


def test_what_a_handler_counts_is_among_the_metrics(lengths: TorchServe) -> None:
    before = _metric(lengths, "Bodies")
    for _ in range(3):
        assert lengths.predict("lengths")[0] == 200
    assert _metric(lengths, "Bodies") - before == 6
    text = HTTP.request("GET", lengths.url("met", "/metrics?name[]=Longest&name[]=HandlerTime")).data.decode()
    assert 'Longest{ModelName="lengths",Level="Model",Hostname="' in text
    assert "metric with unit: bytes" in text
    assert "ts_inference" not in text


def _metric(server: TorchServe, name: str) -> float:
    text = HTTP.request("GET", server.url("met", f"/metrics?name[]={name}")).data.decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name}{{"))
