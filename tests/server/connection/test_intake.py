"""Memory for large messages: one budget for all of them, fair between addresses, and nobody keeps others from it."""

import asyncio
import io
import time
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.tensors import WireRequest, WireTensor
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection import intake
from paddle_serving_server.connection.intake import Intake
from tests.server.front.test_listener import listening

LARGEST = 1 << 20
ROWS = np.random.default_rng(0).random((20_000, 13), np.float32)
"""1,040,000 bytes."""


class Sender:
    """Somebody with a message for an intake."""

    def __init__(self, office: Intake, peer: str, size: int) -> None:
        self.heard: list[str] = []
        told = self.heard.append
        self.claim = office.ask(peer, size, lambda: told("room"), lambda: told("refused"), self._on_cut)

    def _on_cut(self) -> None:
        self.heard.append("cut")
        self.claim.drop()


def test_what_is_held_counts_until_nobody_holds_it() -> None:
    async def run() -> None:
        office = Intake(100)
        first = Sender(office, "a", 100)
        view = np.frombuffer(first.claim.whole(), np.uint8)[10:20]  # such as a tensor in a message
        others = [Sender(office, "a", 100) for _ in range(3)]
        last = Sender(office, "a", 1)
        assert not last.heard
        del view
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert last.heard == ["room"]
        assert all(other.claim.memory is not None for other in others)

    asyncio.run(run())


def test_the_address_that_holds_least_is_next() -> None:
    async def run() -> None:
        office = Intake(100)
        greedy = [Sender(office, "greedy", 100) for _ in range(6)]
        modest = Sender(office, "modest", 100)
        greedy[0].claim.drop()
        await asyncio.sleep(0)
        assert modest.heard == ["room"] and not greedy[4].heard

    asyncio.run(run())


def test_slow_ones_are_cut_off_for_those_who_wait_and_who_waits_too_long_is_refused() -> None:
    async def run() -> None:
        office = Intake(4 << 20)
        slow, fast = Sender(office, "a", 4 << 20), Sender(office, "a", 4 << 20)
        fast.claim.came = 4 << 20
        worked_on = [Sender(office, "a", 4 << 20).claim.whole() for _ in range(2)]
        waits = Sender(office, "b", 1)
        now = time.monotonic()
        office.keep_time(now + intake.PATIENCE_S - 0.5)
        assert not slow.heard
        office.keep_time(now + intake.PATIENCE_S + 0.5)
        assert slow.heard == ["cut"] and not fast.heard
        await asyncio.sleep(0)
        assert waits.heard == ["room"]
        worked_on.append(fast.claim.whole())
        worked_on.append(Sender(office, "a", (4 << 20) - 1).claim.whole())
        late = Sender(office, "b", 4 << 20)
        office.keep_time(time.monotonic() + intake.LONGEST_WAIT_S + 0.1)
        assert late.heard == ["refused"]

    asyncio.run(run())


_HEAD = (
    b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/octet-stream\r\nAccept: application/x-npy\r\n"
)


def _announced() -> bytes:
    return _HEAD + b"Content-Length: %d\r\n\r\n" % ROWS.nbytes + ROWS.tobytes()


def _chunked() -> bytes:
    body = ROWS.tobytes()
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def _framed() -> bytes:
    call = WireRequest(tensors=(WireTensor(name="x", alias="x", array=ROWS),), fetch=("price",))
    return brpc.request_frame("GeneralModelService", "inference", 7, general_model.encode_request(call))


async def _answer_to(reader: asyncio.StreamReader, is_http: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if is_http:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        size = int(next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")).split()[1])
        answer: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.load(io.BytesIO(await reader.readexactly(size)))
        return answer
    frames = brpc.FrameReader(reads="replies")
    while (frame := frames.next()) is None:
        piece = await reader.read(65536)
        assert piece, "closed without an answer"
        frames.feed(piece)
    assert frame.meta.response.error_code == 0, frame.meta.response.error_text
    return np.asarray(general_model.decode_response(frame.payload).outputs[0].tensors[0].array)


@pytest.mark.parametrize("message", [_announced(), _chunked(), _framed()], ids=["announced", "chunked", "framed"])
def test_who_finds_no_memory_waits_and_is_answered_when_there_is_some(uci_folder: Path, message: bytes) -> None:
    """Five halves take all there is; the sixth is let in when the slowest of them are cut off."""

    async def run() -> None:
        async with listening(uci_folder, Limits(max_body_bytes=LARGEST)) as (_, port):
            halves = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            for _, writer in halves:
                writer.write(message[:-100])
            await asyncio.sleep(0.3)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(message)
            began = time.monotonic()
            answer = await asyncio.wait_for(_answer_to(reader, message.startswith(b"POST")), 20)
            assert answer.shape[0] == len(ROWS)
            assert time.monotonic() - began > intake.PATIENCE_S / 2
            for _, other in [*halves, (reader, writer)]:
                other.close()

    asyncio.run(run())


@pytest.mark.parametrize("message", [_announced(), _chunked(), _framed()], ids=["announced", "chunked", "framed"])
def test_many_at_once_are_all_answered(uci_folder: Path, message: bytes) -> None:
    async def call(port: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(message)
        answer = await _answer_to(reader, message.startswith(b"POST"))
        writer.close()
        return answer

    async def run() -> None:
        async with listening(uci_folder, Limits(max_body_bytes=LARGEST)) as (_, port):
            answers = await asyncio.wait_for(asyncio.gather(*(call(port) for _ in range(12))), 60)
            for answer in answers:
                np.testing.assert_array_equal(answer, answers[0])

    asyncio.run(run())
