"""What benchmark scripts of Paddle Serving import: flags, a summary of latencies, many callers at once.

For measurements that can be trusted there is `python -m paddle_serving_server.bench`.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

__all__ = ["MultiThreadRunner", "benchmark_args", "show_latency"]


def benchmark_args() -> argparse.Namespace:
    """The flags that benchmark scripts share, read from the command line."""
    parser = argparse.ArgumentParser("benchmark")
    parser.add_argument("--thread", type=int, default=10, help="how many callers at once")
    parser.add_argument("--model", default="", help="the client folder, or its prototxt")
    parser.add_argument("--endpoint", default="127.0.0.1:9292", help="host:port of the server")
    parser.add_argument("--request", default="rpc", help="rpc or http")
    parser.add_argument("--batch_size", type=int, default=1, help="rows in a request")
    return parser.parse_args()


def show_latency(latency_list: Sequence[float]) -> None:
    """Write mean, median and percentiles of latencies in milliseconds to stderr.

    Raises:
        ValueError: there is none.
    """
    latencies = np.asarray(latency_list, np.float64)
    if not latencies.size:
        raise ValueError("show_latency needs at least one latency")
    figures = {"mean": latencies.mean(), "median": np.median(latencies)}
    figures |= {f"{p}_percent": np.percentile(latencies, p) for p in (80, 90, 99)}
    sys.stderr.write("latency:\n" + "".join(f"{name}: {ms}ms\n" for name, ms in figures.items()))


class MultiThreadRunner:
    """Runs a function many times at once. In threads of this process, where Paddle Serving forked processes."""

    def run(
        self, thread_func: Callable[[int, Any], Sequence[list[Any]] | None], thread_num: int, global_resource: Any
    ) -> list[list[Any]] | None:
        """Call `thread_func(k, global_resource)` for k = 1 to `thread_num`, all at once, and join what they return.

        Args:
            thread_func: returns a list of lists, as long in every call, or None. May be any callable, also a closure.
            thread_num: how many calls.
            global_resource: the same object for all of them: what one changes, the others see.

        Returns:
            The first lists of all calls as one, the second lists as one, and so on, in the order of k; None if no call
            returned any.

        Raises:
            ValueError: `thread_num` is below 1, or the calls returned different numbers of lists.
            Exception: what a call raised.
        """
        if thread_num < 1:
            raise ValueError(f"thread_num must be 1 or more, got {thread_num}")
        with ThreadPoolExecutor(thread_num) as pool:
            results = list(pool.map(lambda k: thread_func(k, global_resource), range(1, thread_num + 1)))
        returned = [result for result in results if result is not None]
        if not returned:
            return None
        return [[item for part in parts for item in part] for parts in zip(*returned, strict=True)]
