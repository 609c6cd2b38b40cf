from collections.abc import Iterator

import pytest

from tests.client.replay import Behaviour, Replay, Serve


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start listeners that stop at the end of the test."""
    started: list[Replay] = []

    def start(behave: Behaviour, port: int = 0) -> Replay:
        started.append(Replay(behave, port))
        return started[-1]

    yield start
    for server in started:
        server.stop()
