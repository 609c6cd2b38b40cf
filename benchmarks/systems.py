"""The rivals: each is started once for a work and then asked to measure, round after round."""

import contextlib
import http.client
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import machine
import numpy as np
import prepare

from paddle_serving_client.wire import general_model
from paddle_serving_client.wire.tensors import WireRequest, WireTensor
from paddle_serving_server.commands.load import request
from paddle_serving_server.commands.load.replies import BrpcReplies, HttpReplies
from paddle_serving_server.commands.load.request import Payload, Target
from paddle_serving_server.commands.load.served import HOST, free_port, serving, started

HERE = prepare.HERE
ROOT = prepare.ROOT
CACHE = prepare.CACHE
WARMUP_S = 1.0
"""Load before a measurement, in seconds."""
WORKERS = 2
"""Of uvicorn; each has one computing thread, so that two cores are full."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement."""

    rate: float
    """Answers (rounds, pages) per second."""
    p50_ms: float
    p99_ms: float
    failed: int = 0
    generator_cpu: float = 0.0
    """Share of a core."""
    memory_mb: float = 0.0

    @classmethod
    def median(cls, several: Sequence["Figures"]) -> "Figures":
        """Of each figure for itself; failures add up."""
        rate, p50, p99, cpu, memory = (
            float(np.median([getattr(one, name) for one in several]))
            for name in ("rate", "p50_ms", "p99_ms", "generator_cpu", "memory_mb")
        )
        return cls(rate, p50, p99, sum(one.failed for one in several), cpu, memory)


class Measure(Protocol):
    """A system that runs."""

    def __call__(self, clients: int, seconds: float) -> Figures:
        """Measure; `clients` is of no use without a network."""


System = Callable[[], contextlib.AbstractContextManager[Measure]]
"""Starts one."""


def bare(work: str, processes: int, threads: int) -> System:
    """A bare loop in `processes` processes at once."""

    @contextlib.contextmanager
    def start() -> Iterator[Measure]:
        def measure(clients: int, seconds: float) -> Figures:
            counts = ["--processes", str(processes), "--threads", str(threads), "--seconds", str(seconds)]
            return _figures_of([str(prepare.PYTHON), str(HERE / "bare.py"), work, *counts])

        yield measure

    return start


def fastapi(path: str, payload: Callable[[Target], Payload], is_inline: bool = False) -> System:
    """The reference, under its own uvicorn.

    Args:
        is_inline: whether the model blocks the event loop instead of running in a thread.
    """

    @contextlib.contextmanager
    def start() -> Iterator[Measure]:
        port = free_port()
        at = ["--host", HOST, "--port", str(port), "--workers", str(WORKERS), "--no-access-log"]
        environment = ["env", f"MODELS={CACHE}", f"INLINE={is_inline:d}", "OMP_NUM_THREADS=1"]
        uvicorn = ["-m", "uvicorn", "--app-dir", str(HERE), "fastapi_reference.app:app", *at]
        command = [*environment, str(prepare.PYTHON), *uvicorn]
        with started(command, port):
            time.sleep(2)  # /health answers with the first worker; the second may still be loading
            yield _over_network(Target(HOST, port, path), payload)

    return start


def ours(flags: Sequence[str], path: str, payload: Callable[[Target], Payload]) -> System:
    """This project's server, with these flags."""

    @contextlib.contextmanager
    def start() -> Iterator[Measure]:
        with serving(flags) as port:
            yield _over_network(Target(HOST, port, path), payload)

    return start


def ceiling(payload: Callable[[Target], Payload]) -> System:
    """A server that answers without looking: what the load generator itself can do here."""

    @contextlib.contextmanager
    def start() -> Iterator[Measure]:
        port = free_port()
        with started([sys.executable, str(HERE / "trivial.py"), str(port)], port):
            yield _over_network(Target(HOST, port), payload)

    return start


def first_answer(flags: Sequence[str], body: Path) -> System:
    """Starts our server anew for each measurement: the time until it has answered a prediction, and its memory then.

    Its `p50_ms` is that time.
    """

    @contextlib.contextmanager
    def start() -> Iterator[Measure]:
        def measure(clients: int, seconds: float) -> Figures:
            port = free_port()
            own = ["--host", HOST, "--port", str(port), "--log_level", "WARNING"]
            command = [sys.executable, "-m", "paddle_serving_server.serve", *flags, *own]
            before = time.perf_counter()
            with started(command, port) as process:
                connection = http.client.HTTPConnection(HOST, port, timeout=60)
                connection.request("POST", "/uci/prediction", body.read_bytes(), {"Content-Type": "application/json"})
                failed = connection.getresponse().status != 200
                took_s = time.perf_counter() - before
                connection.close()
                return Figures(
                    1 / took_s, took_s * 1000, took_s * 1000, failed, 0.0, machine.pss_mb(machine.tree(process.pid))
                )

        yield measure

    return start


def original_ocr(python: str, pictures: Sequence[Path]) -> System:
    """rapidocr-paddle in one process of its own interpreter."""

    @contextlib.contextmanager
    def start() -> Iterator[Measure]:
        def measure(clients: int, seconds: float) -> Figures:
            files = [str(picture) for picture in pictures]
            return _figures_of([python, str(HERE / "ocr_original.py"), "--seconds", str(seconds), *files])

        yield measure

    return start


def in_process(folder: Path, options: dict[str, object], shape: tuple[int, ...]) -> System:
    """A model run by one of our backends, in a process of its own, without a server."""

    @contextlib.contextmanager
    def start() -> Iterator[Measure]:
        def measure(clients: int, seconds: float) -> Figures:
            words = [str(folder), json.dumps(options), json.dumps(shape), str(seconds)]
            return _figures_of([sys.executable, str(HERE / "backend_loop.py"), *words])

        yield measure

    return start


# -- what is sent


def picture(target: Target) -> Payload:
    """The photo, as it is."""
    return request.of_images(target, [CACHE / "photo.jpg"])


def pictures(files: Sequence[Path]) -> Callable[[Target], Payload]:
    """Several, one after the other."""
    return lambda target: request.of_images(target, files)


def json_file(name: str) -> Callable[[Target], Payload]:
    """A body out of the cache."""
    return lambda target: request.of_json(target, [CACHE / name])


def raw_tensor(target: Target) -> Payload:
    """The tensor as it lies in memory: what the reference takes."""
    body = np.load(CACHE / "tensor.npy").tobytes()
    return Payload((target.post(body, "application/octet-stream"),), HttpReplies, "raw")


def npy_tensor(target: Target) -> Payload:
    """The tensor as a .npy file."""
    return Payload((target.post((CACHE / "tensor.npy").read_bytes(), "application/x-npy"),), HttpReplies, "npy")


def rpc_tensor(target: Target) -> Payload:
    """The tensor in a call of GeneralModelService over baidu_std."""
    return Payload((request.rpc_request(_tensor_call()),), BrpcReplies, "brpc")


def proto_tensor(target: Target) -> Payload:
    """The same call over HTTP."""
    return Payload((target.post(_tensor_call(), "application/proto"),), HttpReplies, "protobuf")


def rpc_numbers(target: Target) -> Payload:
    """The house of the tutorial over baidu_std."""
    x = np.array([instance["x"] for instance in json.loads((CACHE / "uci.json").read_bytes())["feed"]], np.float32)
    return Payload((request.rpc_request(_call("x", x, "price")),), BrpcReplies, "brpc")


def _tensor_call() -> bytes:
    return _call("image", np.load(CACHE / "tensor.npy"), "score")


def _call(name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]], fetch: str) -> bytes:
    return general_model.encode_request(
        WireRequest(tensors=(WireTensor(name="", alias=name, array=array),), fetch=(fetch,))
    )


def _over_network(target: Target, payload: Callable[[Target], Payload]) -> Measure:
    sent = payload(target)
    protocol = "brpc" if sent.replies is BrpcReplies else "http"

    def measure(clients: int, seconds: float) -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / str(k) for k in range(len(sent.requests))]
            for file, request_bytes in zip(files, sent.requests, strict=True):
                file.write_bytes(request_bytes)
            counts = [str(target.port), protocol, str(clients), str(seconds), str(WARMUP_S)]
            return _figures_of([str(prepare.REPLAY), *counts, *map(str, files)])

    return measure


def _figures_of(command: Sequence[str]) -> Figures:
    """Run a program that prints a line of JSON."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} ended with status {done.returncode}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Figures(said["rate"], said["p50_ms"], said["p99_ms"], said.get("failed", 0), said.get("cpu", 0.0))
