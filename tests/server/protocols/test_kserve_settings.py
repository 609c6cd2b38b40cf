"""Settings of traces and of the log beside a real Triton's recorded answers, and what of them cannot be had here."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client.errors import NoMethod
from paddle_serving_client.wire.protobuf import bytes_field
from paddle_serving_server.config.values import Limits, ServerConfig
from paddle_serving_server.dataplane import kserve_settings
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc.services import kserve
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from tests import models
from tests.data import triton
from tests.server.protocols.transport import Ask, serving

TRACE = (
    "0a140a0d6c6f675f6672657175656e637912030a01300a130a0b74726163655f636f756e7412040a022d310a100a0a74726163655f66696c65"
    "12020a000a140a0b74726163655f6c6576656c12050a034f46460a160a0a74726163655f6d6f646512080a06747269746f6e0a140a0a747261"
    "63655f7261746512060a0431303030"
)
"""What Triton answered over gRPC, with the rate at which it begins."""
LOG = (
    "0a0f0a096c6f675f6572726f72120208010a0e0a086c6f675f66696c6512021a000a170a0a6c6f675f666f726d617412091a0764656661756c"
    "740a0e0a086c6f675f696e666f120208010a170a116c6f675f766572626f73655f6c6576656c120210000a110a0b6c6f675f7761726e696e67"
    "12020801"
)


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(before)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    with serving(models.simple(tmp_path_factory.mktemp("m") / "simple"), WebService("simple")) as ask:
        yield ask


def answer(ask: Ask, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    raw, _ = ask(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    head, _, said = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), said


def test_what_triton_answered_one_after_the_other(ask: Ask) -> None:
    for name, case in triton.http("settings").items():
        assert answer(ask, case.method, case.path, case.body) == (case.status, case.answer), name


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/v2/trace/setting", {"trace_level": ["TIMESTAMPS"]}, 501, "this server writes no traces by itself"),
        ("/v2/trace/setting", {"trace_file": "x"}, 400, "trace file location can not be updated"),
        ("/v2/trace/setting", {"trace_rate": 5}, 400, "trace_rate is a whole number as a text, got 5"),
        ("/v2/trace/setting", [], 500, "non-object as object"),
        ("/v2/models/nope/trace/setting", {}, 404, "unknown model"),
        ("/v2/logging", {"log_file": "x"}, 400, "log file location can not be updated"),
        ("/v2/logging", {"log_format": "ISO8601"}, 400, "lines have one format here"),
        ("/v2/logging", {"log_verbose_level": -1}, 500, "non-unsigned-integer"),
    ],
)
def test_what_cannot_be_had_is_said(ask: Ask, path: str, body: Any, status: int, text: str) -> None:
    got, said = answer(ask, "POST", path, json.dumps(body).encode())
    assert (got, text in json.loads(said)["error"]) == (status, True), said


def test_a_model_may_have_settings_of_its_own_and_null_takes_them_back(ask: Ask) -> None:
    path = f"{triton.MODEL}/trace/setting"
    assert json.loads(answer(ask, "POST", path, b'{"trace_count": "7"}')[1])["trace_count"] == "7"
    assert json.loads(answer(ask, "GET", "/v2/trace/setting")[1])["trace_count"] == "-1"
    assert json.loads(answer(ask, "POST", path, b'{"trace_count": null}')[1])["trace_count"] == "-1"


def test_the_level_of_the_log_changes(ask: Ask) -> None:
    said = json.loads(answer(ask, "POST", "/v2/logging", b'{"log_verbose_level": 3}')[1])
    assert (said["log_verbose_level"], logging.getLogger().level) == (1, logging.DEBUG)
    body = b'{"log_verbose_level": 0, "log_info": false}'
    said = json.loads(answer(ask, "POST", "/v2/logging", body)[1])
    assert (said["log_info"], said["log_warning"], logging.getLogger().level) == (False, True, logging.WARNING)
    answer(ask, "POST", "/v2/logging", b'{"log_warning": false, "log_error": false}')
    assert not logging.getLogger().isEnabledFor(logging.CRITICAL)


def test_several_processes_are_not_changed_in_one(tmp_path: Path) -> None:
    catalogue = Catalogue(config=ServerConfig(fronts=2))
    kserve_settings.change_trace(catalogue, {"unknown": 1})
    kserve_settings.change_log(catalogue, {"log_info": True})
    for change in (kserve_settings.change_trace, kserve_settings.change_log):
        with pytest.raises(NoMethod, match="use --fronts 1"):
            change(catalogue, {"trace_rate": "5", "log_info": False})


def test_over_grpc_they_are_told_and_not_changed() -> None:
    async def scene() -> None:
        plane = DataPlane(Catalogue(), Limits())

        async def asked(method: str, message: bytes = b"") -> str:
            return (await kserve.METHODS[method](plane, plane.call("grpc", method, 0.0), message)).hex()

        assert (await asked("TraceSetting"), await asked("LogSettings")) == (TRACE, LOG)
        change = b"".join(bytes_field(1, *bytes_field(1, b"log_info"), *bytes_field(2, b"\x08\x00")))
        with pytest.raises(NoMethod, match=r"settings \(log_info\) are told over gRPC and changed over HTTP"):
            await asked("LogSettings", change)

    asyncio.run(scene())
