"""Every call that was captured: the bytes that our client sends, and the result it makes of the captured reply."""

import logging
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.errors import BackendFailed, Busy, NoMethod, ServingError, Stopping
from tests.client import captured, replay
from tests.client.calls import PRICE, UCI, X, ask, client_of, f32, id_blanked, same
from tests.client.replay import Serve
from tests.data.frames import read

MULTI_FEED = {
    "i32": np.array([[1, 2]], np.int32),
    "f": np.array([[1, 2, 3]], np.float32),
    "i64": np.array([[3, -4]]),
}
WORDS = np.array([[11], [12], [13]])
O1 = {"o1": f32(1, 2)[None]}
CALLS: dict[str, tuple[str, dict[str, Any], object]] = {
    "uci_batch": ("uci", UCI, PRICE),
    "uci_batch3": ("uci", UCI | {"feed": {"x": np.stack([X, X * 2, X * 3])}}, {"price": f32(1, 2, 3)[:, None]}),
    "uci_fetch_none": ("uci", UCI | {"fetch": None}, PRICE),
    "uci_fetch_unknown": ("uci", UCI | {"fetch": ["nope"]}, PRICE),
    "uci_list": ("uci", {"feed": {"x": X.tolist()}, "fetch": ["price"]}, PRICE),
    "uci_logid": ("uci", {"feed": {"x": X}, "fetch": ["price"], "log_id": 10000}, PRICE),
    "uci_variant_tag": ("uci", UCI | {"need_variant_tag": True}, "tagged"),
    "multi_batch": (
        "multi",
        {"feed": MULTI_FEED, "fetch": ["o1", "o2", "o3"], "batch": True},
        O1 | {"o2": np.array([[3, -4]]), "o3": np.array([[5, 6]], np.int32)},
    ),
    "multi_fetch_subset": (
        "multi",
        {"feed": MULTI_FEED, "fetch": ["o3", "nope", "o1"], "batch": True},
        {"o3": np.array([[5, 6]], np.int32)} | O1,
    ),
    "multi_empty_feed": ("multi", {"feed": {}, "fetch": ["o1"], "batch": True}, O1),
    "multi_partial_prefix": ("multi", {"feed": {"f": MULTI_FEED["f"]}, "fetch": ["o1"], "batch": True}, O1),
    "multi_no_outputs": ("multi", {"feed": MULTI_FEED, "fetch": ["o1"], "batch": True}, {}),
    "multi_two_engines": (
        "multi",
        {"feed": MULTI_FEED, "fetch": ["o1"], "batch": True},
        {"GeneralInferOp_0": O1, "GeneralInferOp_1": {"o1": f32(9, 8)[None]}},
    ),
    "lod_int64": (
        "lod",
        {"feed": {"words": WORDS, "words.lod": [0, 3]}, "fetch": ["crf"], "batch": True},
        {"crf": np.array([[7], [8], [9]]), "crf.lod": np.array([0, 3], np.int32)},
    ),
    "lod_two_seq": (
        "lod",
        {"feed": {"words": WORDS, "words.lod": np.array([0, 1, 3])}, "fetch": ["crf"], "batch": True},
        {"crf": np.array([[7], [8], [9]]), "crf.lod": np.array([0, 1, 3], np.int32)},
    ),
    "uint8_string": ("bytes", {"feed": {"u8": np.array([1, 2, 250, 255], np.uint8), "s": "abc"}}, {}),
    "fp16_int8": (
        "f16",
        {"feed": {"h": np.array([1.5, -2], np.float16), "i8": np.array([-1, 5], np.int8)}, "fetch": ["o1"]},
        O1,
    ),
}


def test_the_table_has_every_captured_call() -> None:
    assert {f"req_{name}" for name in CALLS} | {"req_uci_profile_server"} == set(captured.names("req"))


@pytest.mark.parametrize("name", CALLS)
def test_captured_call(serve: Serve, name: str) -> None:
    config, arguments, wanted = CALLS[name]
    server = serve(replay.reply(f"rep_{name}"))
    with client_of(config, server.endpoint) as client:
        got = client.predict(**arguments)
        if wanted == "tagged":
            assert isinstance(got, list)
            assert got[1] == f"default_tag_{id(client)}"
            got, wanted = got[0], PRICE
    same(got, wanted)
    assert [id_blanked(raw) for raw in server.sent] == [id_blanked(read(f"req_{name}.bin"))]


def test_captured_call_with_the_profile_flag(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAGS_profile_server", "1")
    server = serve(replay.reply("rep_uci_profile_server"))
    with client_of("uci", server.endpoint) as client:
        same(client.predict(**UCI), PRICE)
    assert id_blanked(server.sent[0]) == id_blanked(read("req_uci_profile_server.bin"))


def test_a_reply_that_is_not_compressed(serve: Serve) -> None:
    same(ask(serve, replay.reply("rep_uci_nogzip")), PRICE)


@pytest.mark.parametrize(("name", "error", "text"), [
    ("1002", NoMethod, r"answered error 1002: \[127.0.0.1:9393\]\[E1002\]Fail to find method"),
    ("2003", Stopping, r"answered error 2003: \[E2003\]logoff"),
    ("2004", Busy, "answered error 2004: limit"),
    ("404", ServingError, "answered error 404: x"),
    ("m5100", BackendFailed, r"answered error -5100: .*InferService inference failed!"),
])  # fmt: skip
def test_captured_error(serve: Serve, caplog: pytest.LogCaptureFixture, name: str, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        ask(serve, replay.reply(f"rep_uci_err_{name}"))
    server = serve(replay.reply(f"rep_uci_err_{name}"))
    with client_of("uci", server.endpoint) as client:
        assert client.predict(**UCI, log_id=77) is None
        assert client.predict(**UCI, need_variant_tag=True) is None
    reasons = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(reasons) == 2
    assert reasons[0].startswith(f"predict log_id=77 failed: {server.endpoint} answered error ")
