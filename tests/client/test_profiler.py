import os
import re
import time

import pytest

from tests.client import replay
from tests.client.calls import UCI, client_of
from tests.client.replay import Serve

SPAN = re.compile(r"([a-z_0-9]+)_0:(\d+) \1_1:(\d+)")


def spans(line: str) -> dict[str, tuple[int, int]]:
    """The spans of a line, read as the old tools do: three fields by tab, pairs by space."""
    head, process, times = line.rstrip("\n").split("\t")
    assert (head, process) == ("PROFILE", f"pid:{os.getpid()}")
    assert SPAN.sub("", times).strip() == ""
    return {name: (int(start), int(end)) for name, start, end in SPAN.findall(times)}


def test_where_the_time_went(serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLAGS_profile_client", "1")
    monkeypatch.setenv("FLAGS_profile_server", "1")
    before = time.time_ns() // 1000
    with client_of("uci", serve(replay.reply("rep_uci_profile_server")).endpoint) as client:
        client.predict(**UCI)
    wire, python = map(spans, capfd.readouterr().err.splitlines())
    assert list(wire)[:2] == ["prepro", "client_infer"]
    assert list(wire)[-1] == "postpro"
    assert [name for name in wire if name.startswith("op")] == [f"op{k}" for k in range(len(wire) - 3)] != []
    assert list(python) == ["py_prepro", "py_client_infer", "py_postpro"]
    own = [python["py_prepro"], wire["prepro"], wire["client_infer"], wire["postpro"], python["py_postpro"]]
    flat = [time_us for span in own for time_us in span]
    assert flat == sorted(flat)
    assert before <= flat[0] <= flat[-1] <= time.time_ns() // 1000
    assert python["py_client_infer"] == (wire["prepro"][0], wire["postpro"][1])


@pytest.mark.parametrize(("flag", "lines"), [("1", 2), ("true", 2), ("0", 0), ("", 0)])
def test_only_when_asked_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], flag: str, lines: int
) -> None:
    monkeypatch.setenv("FLAGS_profile_client", flag)
    with client_of("uci", serve(replay.reply("rep_uci_batch")).endpoint) as client:
        client.predict(**UCI)
    printed = capfd.readouterr().err
    assert printed.count("PROFILE\t") == lines
    assert "op0" not in printed
