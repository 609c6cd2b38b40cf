"""Who is let into a service: as many as there is room for, and nobody who would not be answered in time."""

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from paddle_serving_client.errors import Busy
from paddle_serving_server.user_code.admission import Admission, Room
from tests.serving import Server, serve

HTTP = urllib3.PoolManager(retries=False, timeout=60.0, maxsize=16)
SERVICE = """
import time
from paddle_serving_server.services.web_service import WebService


class Sleepy(WebService):
    def preprocess(self, feed=[], fetch=[]):
        time.sleep(feed[0]["s"])
        return {}, fetch


for name in ("sleepy", "slow"):
    Sleepy(name=name).run_web_service()
"""


def admission(wait_s: float = 0.0, own_s: float = 0.0, room: Room | None = None) -> Admission:
    return Admission("x", room or Room.beside(threads=1, requests=3, size=100), lambda: (wait_s, own_s))


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def test_so_many_are_let_in_and_one_more_when_one_has_left() -> None:
    door = admission(wait_s=7.0)
    with door.enter(soon(60)), door.enter(soon(60)):
        with door.enter(soon(60)), pytest.raises(Busy, match="3 requests are inside service 'x'") as caught:
            door.check(soon(60))
        assert caught.value.retry_after_s == 7.0
        door.check(soon(60))
    assert door.inside == 0


def test_large_ones_are_counted_by_size_beside_those_that_run() -> None:
    door = admission()
    with door.enter(soon(), 90), door.enter(soon(), 5):
        door.check(soon(), 5)
        with pytest.raises(Busy, match="2 requests of 95 bytes"):
            door.check(soon(), 6)
    with door.enter(soon(), 1000):
        door.check(soon(), 1000)  # a thread is free for it
    assert (door.inside, door.inside_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("wait_s", "own_s", "left_s", "enters"),
    [
        (0.0, 99.0, 1.0, True),  # nobody waits: whether the time is enough is found out by trying
        (1.0, 1.0, 3.0, True),
        (1.0, 1.0, 2.0, False),
        (0.1, 0.0, -1.0, False),
        (math.inf, 0.0, 100.0, False),
    ],
)
def test_nobody_enters_who_would_be_late(wait_s: float, own_s: float, left_s: float, enters: bool) -> None:
    door = admission(wait_s, own_s)
    if enters:
        door.check(soon(left_s))
    else:
        with pytest.raises(Busy):
            door.check(soon(left_s))


@pytest.fixture(scope="module")
def sleepy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sleepy")
    (folder / "sleepy.py").write_text(SERVICE)
    flags = ("--thread", "1", "--max_inside", "4", "--request_timeout_ms", "2000")
    with serve(folder, "--service", str(folder / "sleepy.py"), *flags) as server:
        yield server


def ask(server: Server, seconds: float, name: str = "sleepy") -> tuple[int, float, str]:
    """Status, seconds until the answer, and the header Retry-After."""
    began = time.monotonic()
    body = json.dumps({"feed": [{"s": seconds}]}).encode()
    reply = HTTP.request("POST", f"{server.url}/{name}/prediction", body, headers={"Content-Type": "text/json"})
    return reply.status, time.monotonic() - began, reply.headers.get("Retry-After", "")


def test_a_crowd_is_served_in_part_and_refused_at_once_in_part(sleepy: Server) -> None:
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda _: ask(sleepy, 0.3), range(16)))
    refused = [answer for answer in said if answer[0] != 200]
    assert sorted({status for status, _, _ in said}) == [200, 503]
    assert 3 <= len(said) - len(refused) <= 5  # who comes last may find a place that was left
    assert all(retry == "1" for _, _, retry in refused)
    assert max(seconds for _, seconds, _ in refused) < 0.3
    assert ask(sleepy, 0.0)[0] == 200


def test_what_waits_too_long_already_is_refused_with_the_time_it_takes(sleepy: Server) -> None:
    assert ask(sleepy, 0.7, "slow")[0] == 200
    with ThreadPoolExecutor(4) as pool:
        said = [status for status, _, _ in pool.map(lambda _: ask(sleepy, 0.7, "slow"), range(4))]
    assert sorted(said) == [200, 200, 503, 503]
