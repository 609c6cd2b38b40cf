"""A server by TorchServe's command line, asked by TorchServe's APIs, with the answers that a real one gave.

One server for everything that can be seen on one: its start is the slow part. Its models need no torch.
"""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import torchserves
from tests.server.versions import Callers
from tests.serving import HTTP
from tests.torchserves import TorchServe, archive

LENGTHS = """
import json
import time

from ts.torch_handler.base_handler import BaseHandler
from words import pack

class Lengths(BaseHandler):
    def initialize(self, context):
        self.initialized = True
        self.context = context

    def handle(self, data, context):
        found = []
        for row in data:
            value = row.get("data") or row.get("body")
            if isinstance(value, (bytes, bytearray)) and value.startswith(b"sleep"):
                time.sleep(0.3)
            if value is None or value == b"bad":
                raise ValueError("bad")
            found.append(pack(value, len(data), context.manifest["model"]["modelVersion"]))
        return found
"""
WORDS = """
def pack(value, count, version):
    kind = type(value).__name__
    return {"kind": kind, "length": len(value), "batch": count, "version": version}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("torchserve") / "store"
    store.mkdir()
    (store.parent / "words.py").write_text(WORDS)
    extra = str(store.parent / "words.py")
    archive(store, "lengths", LENGTHS, extra_files=extra)
    archive(store, "my_model", LENGTHS, extra_files=extra)
    archive(store, "my_model", LENGTHS, "2.0", "my_model_v2.mar", extra_files=extra)
    archive(store, "broken", "import nothing_of_the_kind\n")
    (store / "notzip.mar").write_text("x")
    return store


@pytest.fixture(scope="module")
def torchserve(store: Path) -> Iterator[TorchServe]:
    settings = {
        "job_queue_size": "5",
        "default_response_timeout": "20",
        "enable_model_api": "true",
        "models": '{\\\n "lengths": {\\\n  "1.0": {"defaultVersion": true, "minWorkers": 2, "batchSize": 1}\\\n }\\\n}',
    }
    with torchserves.serve(store.parent, store, settings, "--ncs", "--models", "lengths=lengths.mar") as found:
        yield found


NOT_FOUND = (404, "ResourceNotFoundException", "Requested resource is not found, please refer to API document.")


@pytest.mark.parametrize(
    ("at", "method", "path", "expected"),
    [
        ("inf", "GET", "/nope", NOT_FOUND),
        ("mgmt", "GET", "/nope", NOT_FOUND),
        ("mgmt", "GET", "/ping", NOT_FOUND),
        ("inf", "GET", "/models", NOT_FOUND),
        ("mgmt", "POST", "/predictions/lengths", NOT_FOUND),
        ("inf", "POST", "/predictions", NOT_FOUND),
        ("inf", "GET", "/v2/health/live", NOT_FOUND),
        ("inf", "POST", "/predictions/nope", (404, "ModelNotFoundException", "Model not found: nope")),
        (
            "inf", "POST", "/predictions/lengths/7.7",
            (404, "ModelVersionNotFoundException", "Model version: 7.7 does not exist for model: lengths"),
        ),
        ("mgmt", "GET", "/models/nope", (404, "ModelNotFoundException", "Model not found: nope")),
        (
            "mgmt", "GET", "/models/lengths/9.9",
            (404, "ModelVersionNotFoundException", "Model version: 9.9 does not exist for model: lengths"),
        ),
        ("mgmt", "POST", "/models", (400, "BadRequestException", "Parameter url is required.")),
        ("mgmt", "POST", "/models?url=nope.mar", (404, "ModelNotFoundException", "Model not found at: nope.mar")),
        (
            "mgmt", "POST", "/models?url=../../etc/passwd.mar",
            (404, "ModelNotFoundException", "Relative path is not allowed in url: ../../etc/passwd.mar"),
        ),
        ("mgmt", "POST", "/models?url=/etc/passwd", (404, "ModelNotFoundException", "Model not found at: /etc/passwd")),
        (
            "mgmt", "POST", "/models?url=ftp://127.0.0.1/x.mar",
            (404, "ModelNotFoundException", "Model not found at: ftp://127.0.0.1/x.mar"),
        ),
        (
            "mgmt", "POST", "/models?url=lengths.mar",
            (409, "ConflictStatusException", "Model version 1.0 is already registered for model lengths"),
        ),
        (
            "mgmt", "PUT", "/models/lengths?min_worker=3&max_worker=1",
            (400, "BadRequestException", "max_worker cannot be less than min_worker."),
        ),
        ("mgmt", "PUT", "/models/nope?min_worker=1", (404, "ModelNotFoundException", "Model not found: nope")),
        ("mgmt", "PUT", "/models/nope/1.0/set-default", (404, "ModelNotFoundException", "Model not found: nope")),
        (
            "mgmt", "PUT", "/models/lengths/5.0/set-default",
            (404, "ModelVersionNotFoundException", "Model version 5.0 does not exist for model lengths"),
        ),
        ("mgmt", "DELETE", "/models/nope", (404, "ModelNotFoundException", "Model not found: nope")),
        ("mgmt", "GET", "/workflows/nope", (404, "WorkflowNotFoundException", "Workflow not found: nope")),
    ],
)  # fmt: skip
def test_what_is_refused(torchserve: TorchServe, at: str, method: str, path: str, expected: Any) -> None:
    status, answer = torchserve.ask(method, path, at)
    assert (status, answer["type"], answer["message"]) == expected
    assert answer["code"] == status


def test_predictions(torchserve: TorchServe) -> None:
    def told(kind: str, length: int) -> tuple[int, Any]:
        return 200, {"kind": kind, "length": length, "batch": 1, "version": "1.0"}

    assert torchserve.ask("GET", "/ping", "inf") == (200, {"status": "Healthy"})
    assert torchserve.predict("lengths") == told("bytearray", 3)
    assert torchserve.predict("lengths/1.0") == told("bytearray", 3)
    json_kind, text_kind = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}
    assert torchserve.predict("lengths", b'{"a": 1, "b": 2}', json_kind) == told("dict", 2)
    assert torchserve.predict("lengths", b'{"a": 1}', {"Content-Type": "application/x-www-form-urlencoded"}) == told(
        "bytearray", 8
    )
    assert torchserve.predict("lengths", b"four", text_kind) == told("str", 4)
    assert torchserve.ask("PUT", "/predictions/lengths", "inf", b"[1]", json_kind) == told("list", 1)
    assert torchserve.ask("GET", "/predictions/lengths?data=12345", "inf") == told("str", 5)
    assert torchserve.ask("POST", "/invocations", "inf", b"ab") == told("bytearray", 2)
    form = {"data": ("img.jpg", b"\x00" * 7, "image/jpeg")}
    reply = HTTP.request("POST", torchserve.url("inf", "/predictions/lengths"), fields=form)
    assert json.loads(reply.data)["length"] == 7
    assert torchserve.predict("lengths", b"bad")[1] == {
        "code": 503,
        "type": "InternalServerException",
        "message": "Prediction failed",
    }
    status, answer = torchserve.predict("lengths", b"{bad", json_kind)
    assert (status, answer["type"]) == (400, "BadRequestException")
    url = torchserve.url("inf", "/predictions/lengths")
    assert HTTP.request("POST", url, body=b"x" * 7_000_000).status == 413


def test_the_sequence_of_an_upload_script(torchserve: TorchServe) -> None:
    """List the versions, remove them, register with a batch; then a second version, the default, and the end."""
    ask = torchserve.ask
    assert ask("GET", "/models/my_model/all")[0] == 404
    status, answer = ask("POST", "/models?url=my_model.mar&batch_size=2&max_batch_delay=50&initial_workers=0")
    text = 'Model "my_model" Version: 1.0 registered with 0 initial workers.'
    assert (status, answer["status"]) == (200, f"{text} Use scale workers API to add workers for the model.")
    status, answer = torchserve.predict("my_model")
    assert (status, answer["type"]) == (503, "ServiceUnavailableException")
    assert answer["message"].startswith('Model "my_model" has no worker to serve inference request.')
    assert ask("GET", "/ping", "inf")[0] == 200
    assert ask("PUT", "/models/my_model?min_worker=1") == (202, {"status": "Processing worker updates..."})
    scaled = {"status": "Workers scaled to 1 for model: my_model"}
    assert ask("PUT", "/models/my_model?min_worker=1&max_worker=1&synchronous=true") == (200, scaled)
    (described,) = ask("GET", "/models/my_model")[1]
    assert (described["batchSize"], described["maxBatchDelay"], len(described["workers"])) == (2, 50, 1)
    assert torchserve.predict("my_model")[1]["version"] == "1.0"
    status, answer = ask("POST", "/models?url=my_model_v2.mar&initial_workers=1&synchronous=true")
    assert (status, answer) == (200, {"status": 'Model "my_model" Version: 2.0 registered with 1 initial workers'})
    assert [one["modelVersion"] for one in ask("GET", "/models/my_model/all")[1]] == ["1.0", "2.0"]
    assert torchserve.predict("my_model")[1]["version"] == "1.0"
    assert torchserve.predict("my_model/2.0")[1]["version"] == "2.0"
    assert ask("GET", "/models?limit=1")[1] == {
        "nextPageToken": "1",
        "models": [{"modelName": "lengths", "modelUrl": "lengths.mar"}],
    }
    for path in ("/models/my_model/1.0", "/models/my_model"):
        status, answer = ask("DELETE", path)
        assert (status, answer["type"]) == (403, "InvalidModelVersionException")
        assert answer["message"] == "Cannot remove default version for model my_model"
    status, answer = ask("PUT", "/models/my_model/2.0/set-default")
    assert answer == {"status": 'Default version successfully updated for model "my_model" to "2.0"'}
    assert torchserve.predict("my_model")[1]["version"] == "2.0"
    removed = {"status": 'Model "my_model" unregistered'}
    assert ask("DELETE", "/models/my_model/1.0") == (200, removed)
    assert ask("DELETE", "/models/my_model/1.0")[1]["type"] == "ModelVersionNotFoundException"
    assert ask("DELETE", "/models/my_model") == (200, removed)
    assert torchserve.predict("my_model")[1]["message"] == "Model not found: my_model"


def test_a_batch_and_its_answers(torchserve: TorchServe) -> None:
    register = "/models?url=my_model.mar&model_name=batched&batch_size=2&max_batch_delay=2000&initial_workers=1"
    assert torchserve.ask("POST", register)[0] == 200
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(torchserve.predict("batched", b"x" * n))) for n in (1, 2)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((one["length"], one["batch"]) for _, one in answers) == [(1, 2), (2, 2)]
    assert time.monotonic() - began < 2
    assert torchserve.ask("DELETE", "/models/batched")[0] == 200


def test_scaling_while_the_model_answers(torchserve: TorchServe) -> None:
    assert torchserve.ask("POST", "/models?url=my_model.mar&model_name=busy&initial_workers=1")[0] == 200

    def call() -> None:
        status, answer = torchserve.predict("busy")
        assert status == 200, answer

    with Callers(call) as callers:
        for count in (2, 1):
            path = f"/models/busy?min_worker={count}&synchronous=true"
            assert torchserve.ask("PUT", path) == (200, {"status": f"Workers scaled to {count} for model: busy"})
    assert (callers.wrong, callers.answered > 0) == ([], True)
    path = "/models/busy?min_worker=0&max_worker=0&synchronous=true"
    assert torchserve.ask("PUT", path) == (200, {"status": "Workers scaled to 0 for model: busy"})
    reply = HTTP.request("POST", torchserve.url("inf", "/predictions/busy"), body=b"abc")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert torchserve.ask("DELETE", "/models/busy")[0] == 200


def test_a_model_that_cannot_be_loaded_stays_without_workers(torchserve: TorchServe) -> None:
    status, answer = torchserve.ask("POST", "/models?url=broken.mar&initial_workers=1&synchronous=true")
    assert (status, answer["type"]) == (500, "InternalServerException")
    assert answer["message"].startswith("Failed to start workers for model broken version: 1.0: ")
    assert "nothing_of_the_kind" in answer["message"]
    (described,) = torchserve.ask("GET", "/models/broken")[1]
    assert (described["minWorkers"], described["workers"]) == (0, [])
    assert torchserve.ask("GET", "/ping", "inf") == (200, {"status": "Healthy"})
    assert torchserve.ask("DELETE", "/models/broken")[0] == 200
    status, answer = torchserve.ask("POST", "/models?url=notzip.mar")
    assert (status, answer["type"]) == (400, "InvalidModelException")


def test_a_model_of_the_start_is_described_as_the_file_says(torchserve: TorchServe) -> None:
    (described,) = torchserve.ask("GET", "/models/lengths")[1]
    assert (described["minWorkers"], described["batchSize"], described["responseTimeout"]) == (2, 1, 20)
    assert (described["loadedAtStartup"], len(described["workers"])) == (True, 2)


def test_metrics_have_an_address_of_their_own(torchserve: TorchServe) -> None:
    status, text = torchserve.ask("GET", "/metrics", "met")
    assert (status, "lengths" in text) == (200, True)
    assert torchserve.ask("GET", "/metrics", "inf")[0] == 404
