"""`serve check`: what is installed, what works, and what to do; by serving a real model with each library.

The model of the tutorials is made in a temporary folder, served on a free port, and asked over RPC and HTTP. Nothing
is asked of whoever runs it, nothing is downloaded, and no process is ended but the servers started here.
"""

import contextlib
import http.client
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_serving_app import backends, processors
from paddle_serving_app.backend import version_of
from paddle_serving_client import Client, __version__, plugins
from paddle_serving_client.errors import ServingError
from paddle_serving_client.io import inference_model_to_serving
from paddle_serving_client.io.uci_housing import HOUSE, PRICE, build
from paddle_serving_server.process import process_info

OK, MISSING, FAILED, NOTE = "ok", "missing", "FAILED", "-"
START_S = 90.0
"""Loading a library for the first time takes long on a slow disk."""
ASK_S = 20.0
TOLERANCE = 1e-3
DEFAULT_PORT = 9393

PACKAGES = (
    ("numpy", ("numpy",), "tensors", "paddle-serving-next"),
    ("protobuf", ("protobuf",), "messages", "paddle-serving-next"),
    ("uvloop", ("uvloop",), "the server's event loop", "paddle-serving-next[server]"),
    ("httptools", ("httptools",), "HTTP/1.1", "paddle-serving-next[server]"),
    ("h2", ("h2",), "HTTP/2 and gRPC", "paddle-serving-next[server]"),
    ("orjson", ("orjson",), "JSON", "paddle-serving-next[server]"),
    ("PyYAML", ("PyYAML",), "--config files, pipelines", "paddle-serving-next[server]"),
    ("OpenCV", ("opencv-python-headless", "opencv-python"), "pictures", "paddle-serving-next[app]"),
    ("Paddle", ("paddlepaddle-gpu", "paddlepaddle"), "runs Paddle models", "paddle-serving-next[paddle]"),
    ("ONNX Runtime", ("onnxruntime-gpu", "onnxruntime"), "runs ONNX models", "paddle-serving-next[onnx]"),
    ("paddle2onnx", ("paddle2onnx",), "Paddle models for ONNX Runtime", "paddle-serving-next[onnx]"),
    ("OpenVINO", ("openvino",), "runs Paddle models on Intel and AMD", "paddle-serving-next[openvino]"),
    ("grpcio", ("grpcio",), "clients that call over gRPC", "paddle-serving-next[grpc]"),
    ("cryptography", ("cryptography",), "encrypted models", "paddle-serving-next[encryption]"),
    ("prometheus-client", ("prometheus-client",), "metrics", "paddle-serving-next[server]"),
    ("Flask", ("flask",), "the page", "paddle-serving-next[page]"),
)
"""Name, distributions of which one is enough, what for, what to install."""
CPU_FLAGS = ("avx", "avx2", "avx512f", "avx512_vnni", "amx_tile", "amx_bf16", "asimd", "sve")
"""What inference libraries make use of, as /proc/cpuinfo calls it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    what: str
    state: str
    found: str = ""
    to_do: str = ""

    def __str__(self) -> str:
        return f"{self.what:<24}{self.state:<9}{self.found}{'; ' if self.found and self.to_do else ''}{self.to_do}"


def run(port: int | None = None) -> int:
    """Print the table; returns 0 if a model was served with at least one library, else 1."""
    print(f"paddle-serving-next {__version__}\n")  # noqa: T201
    for row in (*packages(), *machine(), *places(port or DEFAULT_PORT)):
        print(row)  # noqa: T201
    print("\nServing the model of the tutorials with each library:")  # noqa: T201
    rows = []
    with tempfile.TemporaryDirectory(prefix="paddle-serving-check-") as folder:
        model, client = _made(Path(folder))
        for name in plugins.names(backends):
            rows.append(serves(name, model, client, Path(folder)))
            print(rows[-1], flush=True)  # noqa: T201
    works = [row for row in rows if row.state == OK]
    print("\n" + _conclusion(rows))  # noqa: T201
    return 0 if works else 1


def packages() -> list[Row]:
    """Python, and what is installed."""
    rows = [Row("Python", OK, f"{platform.python_version()}, {sys.executable}")]
    for name, distributions, purpose, extra in PACKAGES:
        version = version_of(*distributions)
        if version:
            rows.append(Row(name, OK, f"{version}, {purpose}"))
        else:
            rows.append(Row(name, MISSING, purpose, f"pip install '{extra}'"))
    return rows


def machine() -> list[Row]:
    """Processors, memory, GPUs."""
    cpu, flags = _cpu()
    count = processors.available()
    rows = [
        Row("Processors", OK, f"{count} may be used{f', {cpu}' if cpu else ''}"),
        Row("Processor features", OK if flags else NOTE, " ".join(flags) or "none that inference libraries use"),
        Row("Free memory", OK, f"{processors.free_memory_bytes() / 2**30:.1f} GiB"),
    ]
    gpus = _gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    limited = f" (CUDA_VISIBLE_DEVICES={visible})" if visible is not None else ""
    rows += [Row("GPU", OK, f"{gpu}{limited}", "use it with --gpu_ids") for gpu in gpus]
    if not gpus:
        rows.append(Row("GPU", NOTE, f"none that nvidia-smi shows{limited}; models run on the processors"))
    return rows


def places(port: int) -> list[Row]:
    """The port, and the folders that are written."""
    rows = []
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("0.0.0.0", port))
            rows.append(Row(f"Port {port}", OK, "free"))
        except OSError as exc:
            rows.append(Row(f"Port {port}", NOTE, exc.strerror or str(exc), "serve on another with --port"))
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for what, folder, without in (
        ("Cache folder", user, "plans are measured anew at each start; set XDG_CACHE_HOME"),
        ("Folder of servers", process_info.file().parent, "`serve stop` will not find servers; set SERVING_HOME"),
        ("Temporary folder", Path(tempfile.gettempdir()), "servers cannot start; set TMPDIR"),
    ):
        rows.append(Row(what, OK, str(folder)) if _can_write(folder) else Row(what, FAILED, str(folder), without))
    if os.environ.get("PYTHON_EXECUTABLE") not in (None, "", sys.executable):
        rows.append(Row("PYTHON_EXECUTABLE", NOTE, os.environ["PYTHON_EXECUTABLE"], "not used: run check with it"))
    return rows


def serves(backend: str, model: Path, client: Path, folder: Path) -> Row:
    """Serve the model with one library, and ask it."""
    what = f"  {backend}"
    if (reason := plugins.load(backends, backend).missing()) is not None:
        return Row(what, MISSING, reason)
    started = time.monotonic()
    try:
        with _server(backend, model, folder) as port:
            ready_s = time.monotonic() - started
            over_rpc, over_http = _price_over_rpc(client, port), _price_over_http(port)
    except (ServingError, OSError, http.client.HTTPException, RuntimeError, ValueError, KeyError, TypeError) as exc:
        return Row(what, FAILED, str(exc) or type(exc).__name__)
    for protocol, price in (("RPC", over_rpc), ("HTTP", over_http)):
        if not abs(price - PRICE) < TOLERANCE:
            return Row(what, FAILED, f"answers {price} over {protocol}, expected {PRICE}")
    return Row(what, OK, f"{over_rpc:.6f} over RPC and HTTP; ready after {ready_s:.1f} s")


def _conclusion(rows: list[Row]) -> str:
    works = [row.what.strip() for row in rows if row.state == OK]
    if works:
        return (
            f"This machine can serve models, with {', '.join(works)}. Start with:\n"
            "  python -m paddle_serving_server.serve --model MODEL_FOLDER --port 9393"
        )
    if all(row.state == MISSING for row in rows):
        return "No inference library is installed: pip install 'paddle-serving-next[paddle]'"
    return "No library could serve a model; the lines above say why."


def _made(folder: Path) -> tuple[Path, Path]:
    """The server's and the client's folder of the model."""
    source, model, client = (folder / name for name in ("trained", "uci_housing", "client"))
    source.mkdir()
    build(source)
    inference_model_to_serving(source, model, client, fetch_alias_names="price")
    return model, client


@contextlib.contextmanager
def _server(backend: str, model: Path, folder: Path) -> Iterator[int]:
    """A server of the model, ready; its port.

    Raises:
        RuntimeError: it ended, or is not ready in time; with what it said last.
    """
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    flags = ["--model", str(model), "--host", "127.0.0.1", "--port", str(port), "--backend", backend, "--tune", "off"]
    log = folder / f"{backend}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "paddle_serving_server.serve", *flags],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "SERVING_HOME": str(folder)},
        )
    try:
        until = time.monotonic() + START_S
        while not _is_healthy(port):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}: {_last_line(log)}")
            if time.monotonic() > until:
                raise RuntimeError(f"the server was not ready after {START_S:.0f} s: {_last_line(log)}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_healthy(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return _asked(port, "GET", "/health")[0] == http.client.OK
    return False


def _asked(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_S)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def _price_over_http(port: int) -> float:
    body = json.dumps({"feed": [{"x": HOUSE}], "fetch": ["price"]}).encode()
    status, answer = _asked(port, "POST", "/uci_housing/prediction", body)
    if status != http.client.OK:
        raise RuntimeError(f"HTTP {status}: {answer[:200].decode('utf-8', 'replace')}")
    return float(json.loads(answer)["result"]["price"][0][0])


def _price_over_rpc(folder: Path, port: int) -> float:
    client = Client(raise_errors=True)
    client.load_client_config(str(folder))
    client.set_rpc_timeout_ms(int(ASK_S * 1000))
    client.connect([f"127.0.0.1:{port}"])
    try:
        answer = client.predict(feed={"x": np.array(HOUSE, np.float32)}, fetch=["price"])
    finally:
        client.release()
    return float(answer["price"][0, 0])


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _cpu() -> tuple[str, list[str]]:
    """The processor's name, and those of its features that matter."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor(), []
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.+)$", text, re.MULTILINE)
    has = set(flags[1].split()) if flags else set()
    return name[1].strip() if name else platform.machine(), [flag for flag in CPU_FLAGS if flag in has]


def _gpus() -> list[str]:
    """NVIDIA GPUs as the driver lists them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [re.sub(r" \(UUID.*\)", "", line) for line in done.stdout.splitlines() if line.startswith("GPU ")]


def _can_write(folder: Path) -> bool:
    """Whether a file can be made there, or in the folder in which it would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
