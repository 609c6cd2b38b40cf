"""A server of bare models: one command, a service each, and a new version where the files have changed."""

import os
import shutil
from pathlib import Path

import pytest

from tests import models
from tests.client.io import trained
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import HTTP, Server, serve

SERVICE = """
from paddle_serving_server.web_service import WebService

service = WebService("hosted")
service.load_model_config("MODEL")
service.run_web_service()
"""


def price(server: Server, name: str) -> float:
    body = {"feed": [{"x": UCI_INPUT.tolist()}]}
    reply = HTTP.request("POST", f"http://127.0.0.1:{server.port}/{name}/prediction", json=body)
    (output,) = reply.json()["result"].values()
    return float(output[0][0])


def reloaded(server: Server, name: str) -> str:
    reply = HTTP.request("POST", f"http://127.0.0.1:{server.port}/services/{name}/reload")
    return str(reply.json()["models"][0]["state"])


def test_bare_models_are_served_and_take_new_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bare = trained.uci(tmp_path / "my house", "separate")
    numbered = Path(shutil.copytree(bare, tmp_path / "numbered" / "3")).parent
    file = tmp_path / "service.py"
    file.write_text(SERVICE.replace("MODEL", str(bare / "__model__")))
    before = {**trained.tree(bare), **trained.tree(numbered)}
    flags = (str(bare), f"n={numbered}", str(file), "--tune", "off", "--reload_interval_s", "0")
    with serve(tmp_path, *flags) as server:
        for name in ("my_house", "n", "hosted"):
            assert price(server, name) == pytest.approx(UCI_PRICE, abs=1e-3)
        assert {**trained.tree(bare), **trained.tree(numbered)} == before  # nothing is written beside them
        assert reloaded(server, "my_house") == "unchanged"
        (bare / "fc_0.b_0").write_bytes(trained.record(models.UCI_B + 1))
        assert reloaded(server, "my_house") == "reloaded"
        assert price(server, "my_house") == pytest.approx(UCI_PRICE + 1, abs=1e-3)
        os.truncate(bare / "fc_0.w_0", 20)
        assert reloaded(server, "my_house") == "refused"
        assert price(server, "my_house") == pytest.approx(UCI_PRICE + 1, abs=1e-3)
