"""Counts in shared memory: added up over processes, kept when one dies, and forgotten when they are old."""

import subprocess
import sys

from paddle_serving_server.counting import counters
from paddle_serving_server.counting.counters import GAUGE, MOST, Counters
from paddle_serving_server.counting.series import Work
from paddle_serving_server.counting.sums import Batches

COUNT_AND_DIE = """
import sys
from paddle_serving_server.counting.counters import GAUGE, MOST, Counters
mine = Counters(sys.argv[1])
series = mine.series("request", service="uci")
series.enter()
series.add(us=900, now=1000.0, bytes_in=5, bytes_out=7)
mine.count("failure", err_no="5000").add()
mine.count(GAUGE + "connections").set(3)
mine.count(MOST + "largest").raise_to(40)
"""


def other_process(fd: int, file: str) -> None:
    subprocess.run([sys.executable, "-c", COUNT_AND_DIE, file], check=True, pass_fds=[fd])


def test_processes_are_added_up_and_who_takes_a_dead_ones_place_counts_on() -> None:
    fd, file = counters.shared_memory(processes=2)
    mine = Counters(file)
    mine.series("request", service="uci").add(us=100, now=1000.0)
    mine.count(MOST + "largest").raise_to(30)
    for _ in range(2):  # the second one finds the region of the first
        other_process(fd, file)
    found = mine.read(1000.0)
    ((labels, series),) = found.series_of("request")
    assert (labels, series.ok, series.bytes_in, series.bytes_out) == ({"service": "uci"}, 3, 10, 14)
    assert found.counts_of("failure") == [({"err_no": "5000"}, 2)]
    assert found.counts_of(GAUGE + "connections") == [({}, 3)]
    assert found.counts_of(MOST + "largest") == [({}, 40)]
    assert series.inside == 1, "what was inside a process that died is not inside any more"


def test_latencies_and_rates_are_those_of_the_last_minute_and_sums_those_of_all_time() -> None:
    mine = Counters()
    series = mine.series("request")
    for second in range(100):
        for _ in range(2):
            series.add(us=1000 * (second + 1), now=5000.0 + second)
    (_, at_once), *_ = mine.read(5099.5).series_of("request")
    assert (at_once.ok, at_once.latencies.sum_us) == (200, 2000 * sum(range(1, 101)))
    assert at_once.per_second(1) == at_once.per_second(10) == at_once.per_second(60) == 2
    assert 120 <= at_once.recent.count <= 140
    assert at_once.recent.max_us == 100_000
    assert at_once.recent.mean_us > at_once.latencies.mean_us
    (_, later), *_ = mine.read(5099.5 + 120).series_of("request")
    assert (later.ok, later.recent.count, later.per_second(60)) == (200, 0, 0)
    assert later.latencies.max_us == 100_000


def test_quantiles_are_within_a_bucket_of_the_truth() -> None:
    mine = Counters()
    series = mine.series("request")
    times = [int(50 * 1.01**k) for k in range(1000)]  # 50 us to 1 s
    for us in times:
        series.add(us=us, now=1.0)
    ((_, found),) = mine.read(1.0).series_of("request")
    for part in (0.5, 0.9, 0.99, 0.999):
        truth = sorted(times)[int(part * len(times))]
        assert abs(found.latencies.quantile_us(part) / truth - 1) < 0.15
    assert found.latencies.quantile_us(1.0) == max(times)


def test_more_kinds_than_there_is_room_for_are_not_counted_and_harm_nobody() -> None:
    mine = Counters()
    for k in range(5000):
        mine.series("request", service=f"s{k}").add(us=1, now=1.0)
    for k in range(20_000):
        mine.count("failure", err_no=str(k)).add()
    found = mine.read(1.0)
    assert 1500 < len(found.series) < 5000
    assert 1500 < len(found.counts) < 20_000
    assert all(series.ok == 1 for series in found.series.values())
    assert found.lost == 25_000 - len(found.series) - len(found.counts)


def work(batch_size: int, share: int, rows: int = 1) -> Work:
    return Work(queue_us=5, input_us=10, run_us=100, output_us=30, batch_size=batch_size, share=share, rows=rows)


def test_batches_are_counted_once_however_many_calls_they_are_made_of() -> None:
    mine = Counters()
    series = mine.series("model")
    for share in (1, 1, 2):  # one batch of four rows, of three calls
        series.enter()
        series.leave(200, 1.0, work(4, share, rows=share))
    series.enter(8)
    series.leave(200, 1.0, work(8, 1), calls=8)
    ((_, found),) = mine.read(1.0).series_of("model")
    assert found.batches == {4: Batches(1, 10, 60, 30), 8: Batches(1, 10, 60, 30)}
    assert (found.executions, found.own_rows, found.runs) == (2, 12, 11)
    assert (found.queue_us, found.input_us, found.infer_us, found.output_us) == (55, 110, 660, 330)


def test_batches_larger_than_are_told_apart_are_counted_all_the_same() -> None:
    mine = Counters()
    series = mine.series("model")
    for _ in range(1000):
        series.enter(300)
        series.leave(200, 1.0, work(300, 1), calls=300)
    ((_, found),) = mine.read(1.0).series_of("model")
    assert (found.batches, found.executions, found.own_rows) == ({}, 1000, 300_000)


def test_what_is_called_off_is_no_failure_and_leaves_a_whole_batch() -> None:
    mine = Counters()
    series = mine.series("model")
    series.enter(2)
    series.leave_unanswered(called_off=True)
    series.leave(200, 1.0, work(2, 1))
    ((_, found),) = mine.read(1.0).series_of("model")
    assert (found.called_off, found.failed, found.inside, found.executions) == (1, 0, 0, 1)
