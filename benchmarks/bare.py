"""The bare loops: from bytes to the answer's bytes in one process after the other, without a network.

    python benchmarks/bare.py w1 --processes 2 --threads 1 --seconds 6

Prints one line of JSON: the rate of all processes together, and how long one round takes.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from fastapi_reference.model import Classifier, session

CACHE = Path(__file__).resolve().parent / ".cache"
WARM_ROUNDS = 5


def main() -> None:
    """Run the processes, print the line."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("work", choices=sorted(WORKS))
    flags.add_argument("--processes", type=int, default=2)
    flags.add_argument("--threads", type=int, default=1)
    flags.add_argument("--seconds", type=float, default=6.0)
    said = flags.parse_args()
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(said.processes), context.SimpleQueue()
    children = [
        context.Process(target=loop, args=(said.work, said.threads, said.seconds, barrier, queue))
        for _ in range(said.processes)
    ]
    for child in children:
        child.start()
    rounds: list[list[float]] = [queue.get() for _ in children]
    for child in children:
        child.join()
    rate = sum(len(times) / sum(times) for times in rounds)
    times = np.concatenate([np.array(each) for each in rounds]) * 1000
    p50, p99 = np.percentile(times, (50, 99))
    print(json.dumps({"rate": rate, "p50_ms": float(p50), "p99_ms": float(p99)}))


def loop(work: str, threads: int, seconds: float, barrier: Barrier, queue: Any) -> None:
    """One process: as many rounds as fit."""
    once = WORKS[work](threads)
    for _ in range(WARM_ROUNDS):
        once()
    barrier.wait()
    times = []
    until = time.perf_counter() + seconds
    while (started := time.perf_counter()) < until:
        once()
        times.append(time.perf_counter() - started)
    queue.put(times)


def picture(model: str) -> Callable[[int], Callable[[], object]]:
    """W1: decode, prepare, run, five best, JSON."""

    def made(threads: int) -> Callable[[], object]:
        classify = Classifier(CACHE / f"{model}.onnx", threads)
        jpeg = (CACHE / "photo.jpg").read_bytes()
        return lambda: orjson.dumps({"result": classify(jpeg)})

    return made


def model_only(model: str) -> Callable[[int], Callable[[], object]]:
    """W2: the model, and nothing else."""

    def made(threads: int) -> Callable[[], object]:
        loaded = session(CACHE / f"{model}.onnx", threads)
        x = np.load(CACHE / "tensor.npy")
        return lambda: loaded.run(None, {"image": x})

    return made


def numbers(threads: int) -> Callable[[], object]:
    """W3: JSON, the model, JSON."""
    loaded = session(CACHE / "uci.onnx", threads)
    body = (CACHE / "uci.json").read_bytes()

    def once() -> object:
        x = np.array([instance["x"] for instance in orjson.loads(body)["feed"]], np.float32)
        return orjson.dumps({"result": {"price": loaded.run(None, {"x": x})[0].tolist()}})

    return once


WORKS: dict[str, Callable[[int], Callable[[], object]]] = {
    "w1": picture("mobilenet"),
    "w1b": picture("resnet50"),
    "w1b-model": model_only("resnet50"),
    "w2": model_only("mobilenet"),
    "w3": numbers,
}

if __name__ == "__main__":
    main()
