"""A message may come slowly, but not as good as never, and what came fast before buys no time."""

import time

from paddle_serving_server.connection.pace import LEAST_BYTES_PER_S, Pace


def test_every_stretch_has_to_bring_its_part() -> None:
    pace = Pace(30.0)
    first = pace.deadline
    pace.came(29 * LEAST_BYTES_PER_S)
    assert pace.deadline == first
    time.sleep(0.01)
    pace.came(LEAST_BYTES_PER_S)
    assert pace.deadline > first
    pace.came(1 << 20)  # a whole megabyte at once
    assert pace.deadline < time.monotonic() + 30.1
