"""Slow and silent peers are cut off by their deadlines; everybody else is served meanwhile."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.values import Limits
from paddle_serving_server.front.listener import Listener
from paddle_serving_server.services.web_service import WebService
from tests.data import frames
from tests.server.catalogues import catalogue_of

SHORT = Limits(head_s=0.5, stall_s=0.7, idle_s=1.0, max_connections=20)
SHORT_BUT_PATIENT = Limits(head_s=0.5, stall_s=20.0, idle_s=20.0, max_connections=20)
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
PRPC = frames.read("req_uci_batch.bin")


@contextlib.asynccontextmanager
async def listening(folder: Path, limits: Limits = SHORT) -> AsyncIterator[tuple[Listener, int]]:
    async with catalogue_of(folder, WebService("uci")) as catalogue:
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        listener = Listener([sock], [Listening()], catalogue, limits)
        listener.start()
        try:
            yield listener, port
        finally:
            await listener.drain(0.0)


def play(folder: Path, scene: Callable[[int], Awaitable[Any]], limits: Limits = SHORT) -> Any:
    async def run() -> Any:
        async with listening(folder, limits) as (_, port):
            return await asyncio.wait_for(scene(port), 30)

    return asyncio.run(run())


async def until_closed(port: int, data: bytes, drip: bytes = b"") -> tuple[float, bytes]:
    """Send, then one more byte of `drip` every 0.1 s; how long it lasted, and what was said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    writer.write(data)
    said = b""
    pieces = iter(drip)
    while True:
        try:
            piece = await asyncio.wait_for(reader.read(65536), 0.1)
        except TimeoutError:
            with contextlib.suppress(StopIteration):
                writer.write(bytes([next(pieces)]))
            continue
        except ConnectionResetError:
            break
        if not piece:
            break
        said += piece
    writer.close()
    return time.monotonic() - started, said


@pytest.mark.parametrize(
    ("data", "drip", "longest", "answer"),
    [
        (b"", b"", 1.3, b""),
        (b"P", b"", 1.3, b""),
        (b"GET /hea", b"", 1.3, b"HTTP/1.1 408"),
        (b"GET /health HTTP/1.1\r\nX: ", b"y" * 100, 1.3, b"HTTP/1.1 408"),
        (b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{", b"", 2.6, b"HTTP/1.1 408"),
        (HEALTH, b"", 2.0, b"HTTP/1.1 200"),
        (
            b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + b" " * 200_000,
            b" " * 100,
            2.6,
            b"HTTP/1.1 408",
        ),
        (HEALTH + b"\r\n" * 3, b"", 2.0, b"HTTP/1.1 200"),
        (HEALTH + b"GET /hea", b"y" * 100, 2.0, b"HTTP/1.1 200"),
        (PRPC[:20], b"", 1.5, b""),
        (PRPC[:12] + bytes(9), b"\0" * 100, 2.0, b""),
        (PRPC, b"", 2.0, b"PRPC"),
    ],
)
def test_the_slow_are_cut_off(uci_folder: Path, data: bytes, drip: bytes, longest: float, answer: bytes) -> None:
    lasted, said = play(uci_folder, lambda port: until_closed(port, data, drip))
    assert lasted < longest
    assert said[: len(answer)] == answer


def test_who_does_not_take_his_answers_is_cut_off(uci_folder: Path) -> None:
    async def scene(port: int) -> float:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        started = time.monotonic()
        with sock, pytest.raises(ConnectionError):
            while time.monotonic() - started < 20:
                with contextlib.suppress(BlockingIOError):
                    sock.send(b"GET /services HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
                await asyncio.sleep(0.01)
        return time.monotonic() - started

    assert play(uci_folder, scene) < 15


def test_the_good_are_served_while_others_hang(uci_folder: Path) -> None:
    async def good(port: int) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        slowest = 0.0
        for _ in range(20):
            started = time.monotonic()
            writer.write(HEALTH)
            assert b"200 OK" in await reader.readuntil(b"OK")
            await reader.readuntil(b"OK")
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.02)
        writer.close()
        return slowest

    async def scene(port: int) -> float:
        hanging = [asyncio.ensure_future(until_closed(port, b"POST /x HTTP/1.1\r\nA: b")) for _ in range(15)]
        slowest = await good(port)
        await asyncio.gather(*hanging)
        return slowest

    assert play(uci_folder, scene) < 0.3


def test_beyond_the_limit_connections_wait_and_are_served_later(uci_folder: Path) -> None:
    async def scene(port: int) -> list[bytes]:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SHORT.max_connections)]
        await asyncio.sleep(0.1)
        _, said = await until_closed(port, HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        for _, writer in silent:
            writer.close()
        return [said]

    assert play(uci_folder, scene)[0].startswith(b"HTTP/1.1 200")


def test_whoever_only_waits_makes_room(uci_folder: Path) -> None:
    """As many connections as may be open are half-way with a request: others are answered all the same."""

    async def scene(port: int) -> None:
        halves = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SHORT_BUT_PATIENT.max_connections)]
        for _, writer in halves:
            writer.write(b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1")
        await asyncio.sleep(1.2)
        for _ in range(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEALTH)
            assert (await asyncio.wait_for(reader.readline(), 1.0)).startswith(b"HTTP/1.1 200")
            writer.close()
            await writer.wait_closed()
        ends = [await asyncio.wait_for(reader.read(), 10) for reader, _ in halves[:16]]
        assert all(end.startswith(b"HTTP/1.1 408") for end in ends), ends
        for _, writer in halves:
            writer.close()

    play(uci_folder, scene, SHORT_BUT_PATIENT)
