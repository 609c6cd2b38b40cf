"""A monitor and a server together: what is published elsewhere is what callers get, a little later."""

import json
import time
from pathlib import Path

import pytest

from tests import models
from tests.server.commands.monitor.test_monitor import Remote, versions
from tests.serving import HTTP, serve

__all__ = ["versions"]  # a fixture

WAIT_S = 30.0


def test_a_published_model_is_served(tmp_path: Path, versions: tuple[Path, Path]) -> None:
    remote = Remote(tmp_path)
    watch = remote.watch("local")
    remote.publish(versions[0])
    assert watch.look()
    flags = ("--model", str(remote.live), "--name", "uci", "--reload_interval_s", "0.1")
    with serve(tmp_path, *flags) as server:

        def price() -> float:
            body = {"feed": [{"x": models.UCI_INPUT.tolist()}], "fetch": ["price"]}
            reply = HTTP.request("POST", f"{server.url}/uci/prediction", json=body)
            return float(json.loads(reply.data)["result"]["price"][0][0])

        assert price() == pytest.approx(models.UCI_PRICE, abs=1e-5)
        remote.publish(versions[1])
        assert watch.look()
        expected = 2 * (models.UCI_PRICE - float(models.UCI_B[0])) + float(models.UCI_B[0])
        until = time.monotonic() + WAIT_S
        while price() != pytest.approx(expected, abs=1e-4):
            assert time.monotonic() < until, server.log
            time.sleep(0.1)
