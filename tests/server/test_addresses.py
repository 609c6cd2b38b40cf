"""A server with addresses for different callers, and a token for who manages it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from paddle_serving_client import Client
from tests.serving import HTTP, Server, free_port, serve

TOKEN = "0123456789abcdef"
GRPC_METHOD = "/grpc.health.v1.Health/Check"


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("metrics", "management", "inference")}


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture(scope="module")
def server(
    uci_folder: Path, tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int], token_file: Path
) -> Iterator[Server]:
    listen = [f"--listen=127.0.0.1:{port}=:{role}" for role, port in ports.items()]
    flags = ("--model", str(uci_folder), "--name", "uci", "--enable_prometheus", "--prometheus_port", str(free_port()))
    with serve(tmp_path_factory.mktemp("addresses"), *flags, *listen, "--manage_token_file", str(token_file)) as server:
        yield server


def status(port: int, method: str, path: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return HTTP.request(method, f"http://127.0.0.1:{port}{path}", headers=headers).status


@pytest.mark.parametrize(
    ("role", "method", "path", "there"),
    [
        ("metrics", "GET", "/metrics", True),
        ("metrics", "GET", "/health", False),
        ("metrics", "POST", "/uci/prediction", False),
        ("metrics", "POST", "/services/uci/reload", False),
        ("management", "POST", "/services/uci/reload", True),
        ("management", "GET", "/flags", True),
        ("management", "POST", "/uci/prediction", False),
        ("inference", "GET", "/health", True),
        ("inference", "POST", "/uci/prediction", True),
        ("inference", "GET", "/metrics", False),
        ("inference", "POST", "/services/uci/reload", False),
    ],
)
def test_an_address_answers_its_role_and_nothing_else(
    server: Server, ports: dict[str, int], role: str, method: str, path: str, there: bool
) -> None:
    assert (status(ports[role], method, path, TOKEN) != 404) is there
    assert status(server.port, method, path, TOKEN) != 404, "the first port answers everything"


def test_rpc_is_answered_where_inference_is(server: Server, ports: dict[str, int], uci_folder: Path) -> None:
    for role, answers in (("inference", True), ("metrics", False)):
        with grpc.insecure_channel(f"127.0.0.1:{ports[role]}") as channel:
            call = channel.unary_unary(GRPC_METHOD)
            if answers:
                assert call(b"", timeout=10) == b"\x08\x01"
            else:
                with pytest.raises(grpc.RpcError):
                    call(b"", timeout=3)
    client = Client()
    client.load_client_config(str(uci_folder))
    client.connect([f"127.0.0.1:{ports['inference']}"])
    assert client.predict({"x": [0.0] * 13}, ["price"]) is not None


def test_who_manages_sends_the_token(server: Server, ports: dict[str, int], token_file: Path) -> None:
    for port in (server.port, ports["management"]):
        for wrong in ("", "0123456789abcdeg", TOKEN[:-1], TOKEN + "0"):
            assert status(port, "POST", "/services/uci/reload", wrong) == 401
            assert status(port, "GET", "/flags", wrong) == 401
        assert status(port, "GET", "/flags", TOKEN) == 200
    assert (
        TOKEN
        not in HTTP.request("GET", f"{server.url}/flags", headers={"Authorization": f"Bearer {TOKEN}"}).data.decode()
    )
    command = [sys.executable, "-m", "paddle_serving_server.serve", "reload", "--port", str(server.port)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    done = subprocess.run(
        [*command, "--manage_token_file", str(token_file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "unchanged" in done.stdout) == (0, True), done


def test_openapi_of_an_address_has_what_is_answered_there(server: Server, ports: dict[str, int]) -> None:
    paths = HTTP.request("GET", f"http://127.0.0.1:{ports['inference']}/openapi.json").json()["paths"]
    assert "/uci/prediction" in paths
    assert "/services/uci/reload" not in paths


def test_callers_that_nobody_knows_and_management_for_others_without_a_token_are_refused(
    tmp_path: Path, uci_folder: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "paddle_serving_server.serve",
        "--model",
        str(uci_folder),
        "--port",
        str(free_port()),
    ]
    for flags, words in (
        (("--listen", f"127.0.0.1:{free_port()}=torch"), "no callers called 'torch'; there are kserve, paddle"),
        (("--manage_from", "10.0.0.0/8"), "--manage_token_file FILE says what they have to send"),
        (("--manage_token_file", str(tmp_path / "none")), "cannot be read"),
    ):
        done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert words in done.stderr, done.stderr
