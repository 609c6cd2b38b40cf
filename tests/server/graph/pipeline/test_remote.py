"""Ops that ask other servers: over RPC, over gRPC, and another pipeline."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models import UCI_INPUT, UCI_PRICE
from tests.server.graph.pipeline.test_pipeline import SERVICES, call, floats
from tests.serving import Server, serve


@pytest.fixture(scope="module")
def servers(uci_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """One with the model and a pipeline of its own, and one that asks it."""
    folder = tmp_path_factory.mktemp("remote")
    flags = ("--model", str(uci_folder), "--name", "model", "--service", str(SERVICES / "batches.py"), "--tune", "off")
    with serve(folder, *flags, "--", str(uci_folder)) as far:
        config = str(uci_folder / "serving_server_conf.prototxt")
        more = ("--service", str(SERVICES / "remote.py"), "--tune", "off", "--", config, f"127.0.0.1:{far.port}")
        with serve(folder, *more) as near:
            yield far, near


@pytest.mark.parametrize("kind", ["brpc", "grpc", "brpc_asked_by_a_process"])
def test_a_model_of_another_server(servers: tuple[Server, Server], kind: str) -> None:
    _, near = servers
    said = call(near, kind, tensors=[floats("x", UCI_INPUT[None])])
    assert float(said["values"]["price"]) == pytest.approx(UCI_PRICE, abs=1e-3)
    said = call(near, kind, tensors=[floats("x", UCI_INPUT[None, :12])])
    assert (said["err_no"], kind in said["err_msg"]) == (5000, True), said


def test_another_pipeline(servers: tuple[Server, Server]) -> None:
    """Its name is not said: the far server's first pipeline is asked, which doubles."""
    _, near = servers
    said = call(near, "pipeline_grpc", tensors=[floats("x", [[1, 2]])])
    assert said["values"]["y"] == "[[2.0, 4.0]]", said


def test_a_server_that_is_gone(servers: tuple[Server, Server]) -> None:
    far, near = servers
    far.stop()
    for kind in ("brpc", "grpc", "pipeline_grpc", "brpc_asked_by_a_process"):
        said = call(near, kind, tensors=[floats("x", UCI_INPUT[None])])
        assert said["err_no"] in (3001, 6000), said
