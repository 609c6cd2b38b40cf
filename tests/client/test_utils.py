import sys
import threading

import pytest

from paddle_serving_client.utils import MultiThreadRunner, benchmark_args, show_latency
from paddle_serving_client.version import serving_client_version, version_tag


def test_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    assert vars(benchmark_args()) == {
        "thread": 10,
        "model": "",
        "endpoint": "127.0.0.1:9292",
        "request": "rpc",
        "batch_size": 1,
    }
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--thread", "2", "--request", "http"])
    assert (benchmark_args().thread, benchmark_args().request) == (2, "http")


def test_latencies(capsys: pytest.CaptureFixture[str]) -> None:
    show_latency([float(ms) for ms in range(1, 102)])
    said = capsys.readouterr().err
    assert (
        said == "latency:\nmean: 51.0ms\nmedian: 51.0ms\n80_percent: 81.0ms\n90_percent: 91.0ms\n99_percent: 100.0ms\n"
    )
    with pytest.raises(ValueError, match="at least one latency"):
        show_latency([])


def test_many_callers_at_once() -> None:
    together = threading.Barrier(4)

    def work(k: int, resource: dict[str, int]) -> list[list[int]]:
        together.wait(5)
        return [[k], [k * resource["factor"]] * 2]

    joined = MultiThreadRunner().run(work, 4, {"factor": 10})
    assert joined == [[1, 2, 3, 4], [10, 10, 20, 20, 30, 30, 40, 40]]


def test_calls_may_return_nothing() -> None:
    seen: list[int] = []
    assert MultiThreadRunner().run(lambda k, resource: seen.append(k), 3, None) is None
    assert sorted(seen) == [1, 2, 3]


def test_what_a_caller_raises_is_raised() -> None:
    def work(k: int, resource: None) -> list[list[int]]:
        raise KeyError(k)

    with pytest.raises(KeyError):
        MultiThreadRunner().run(work, 2, None)
    with pytest.raises(ValueError, match="thread_num must be 1 or more"):
        MultiThreadRunner().run(work, 0, None)


def test_version_names() -> None:
    import paddle_serving_client

    assert serving_client_version == version_tag == paddle_serving_client.__version__
