"""A server in TorchServe's place for tests: started by its command line, on free ports, in a folder of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddle_serving_app.model_archiver import ModelArchiverConfig, generate_model_archive
from tests.serving import HTTP, ROOT, Server, free_port

MODULE = ("-m", "paddle_serving_server.torchserve")
_HTTP = {"inf": "inference_address", "mgmt": "management_address", "met": "metrics_address"}
_GRPC = {"grpc_inf": "grpc_inference_port", "grpc_mgmt": "grpc_management_port"}


class TorchServe:
    """A server, and its addresses."""

    def __init__(self, server: Server, ports: Mapping[str, int]) -> None:
        self.server = server
        self.ports = ports

    def url(self, at: str, path: str = "") -> str:
        """Of a path at the address of a role."""
        return f"http://127.0.0.1:{self.ports[at]}{path}"

    def ask(
        self, method: str, path: str, at: str = "mgmt", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status, and the answer, as JSON where it is some."""
        reply = HTTP.request(method, self.url(at, path), body=body, headers=headers)
        assert reply.status == 413 or reply.headers.get("x-request-id")
        try:
            return reply.status, json.loads(reply.data)
        except ValueError:
            return reply.status, reply.data.decode(errors="replace")

    def predict(self, path: str, body: Any = b"abc", headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """A prediction."""
        return self.ask("POST", f"/predictions/{path}", "inf", body, headers)


def archive(store: Path, name: str, handler: str, version: str = "1.0", file: str = "", **files: Any) -> None:
    """Write an archive into a store; `files` are those of `ModelArchiverConfig`, with commas between several."""
    folder = store.parent / f"source-{name}-{version}"
    folder.mkdir()
    (folder / "handler.py").write_text(handler)
    made = generate_model_archive(
        ModelArchiverConfig(
            model_name=name, version=version, handler=str(folder / "handler.py"), export_path=str(folder), **files
        )
    )
    shutil.move(made, store / (file or f"{name}.mar"))


def free_ports() -> dict[str, int]:
    """One for each role."""
    return {at: free_port() for at in (*_HTTP, *_GRPC)}


def settings_of(ports: Mapping[str, int]) -> dict[str, str]:
    """What config.properties says of the addresses."""
    http = {key: f"http://127.0.0.1:{ports[at]}" for at, key in _HTTP.items()}
    return http | {key: str(ports[at]) for at, key in _GRPC.items()}


@contextlib.contextmanager
def serve(
    folder: Path, store: Path, settings: Mapping[str, str], *flags: str, tokens: bool = False
) -> Iterator[TorchServe]:
    """Run `torchserve --start --foreground` in a folder, with its settings in `config.properties` there."""
    ports = free_ports()
    lines = {**settings_of(ports), "default_workers_per_model": "1", **settings}
    (folder / "config.properties").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    words = ["--start", "--foreground", "--model-store", str(store), *flags]
    words += [] if tokens else ["--disable-token-auth"]
    log = folder / "server.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *MODULE, *words], stdout=out, stderr=out, cwd=folder, env=environment(folder)
        )
    server = Server(process, ports["inf"], log)
    try:
        server.wait_ready()
        yield TorchServe(server, ports)
    finally:
        if process.poll() is None:
            assert server.stop() == 0


def environment(folder: Path) -> dict[str, str]:
    """Of a server that is started in a folder."""
    return {**os.environ, "SERVING_HOME": str(folder), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
