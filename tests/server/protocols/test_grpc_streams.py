"""Calls of gRPC that stream: back pressure both ways, half-close, statuses, deadlines, and how they are called off."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client.errors import BadInput
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.protocols.grpc.incoming import FREE_BYTES
from paddle_serving_server.protocols.grpc.services import Bidirectional, Message, ServerStreaming
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from tests.server.catalogues import catalogue_of
from tests.server.protocols.grpc_line import Line, plane_of


class Sums:
    """A service of the tests. What it does is noted."""

    API: str = "server"
    NAMES: tuple[str, ...] = ("tests.Sums",)
    METHODS: Mapping[str, services.Method] = {}

    def __init__(self) -> None:
        self.took: list[bytes] = []
        self.made = 0
        self.ended = asyncio.Event()
        self.go = asyncio.Event()
        """Until it is set, messages are not taken."""
        self.go.set()
        self.STREAMS = {
            "Echo": Bidirectional(self.echo),
            "Count": ServerStreaming(self.count),
            "Wait": ServerStreaming(self.wait, is_endless=True),
        }

    async def echo(self, plane: DataPlane, call: Call, messages: AsyncIterator[Message]) -> AsyncGenerator[bytes, None]:
        """What comes goes back."""
        call.service = "uci"
        try:
            await self.go.wait()
            async for message in messages:
                self.took.append(bytes(message))
                if message == b"bad":
                    raise BadInput("that is bad")
                if message == b"broken":
                    raise RuntimeError("for the log")
                yield bytes(message)
                await self.go.wait()
        finally:
            self.ended.set()

    async def count(self, plane: DataPlane, call: Call, message: Message) -> AsyncGenerator[bytes, None]:
        """As many parts of 10,000 bytes as are asked for."""
        try:
            for _ in range(int(bytes(message))):
                self.made += 1
                yield bytes(10_000)
        finally:
            self.ended.set()

    async def wait(self, plane: DataPlane, call: Call, message: Message) -> AsyncGenerator[bytes, None]:
        """One part, and then nothing."""
        try:
            yield b"here"
            await asyncio.Event().wait()
        finally:
            self.ended.set()


ECHO, COUNT, WAIT = "/tests.Sums/Echo", "/tests.Sums/Count", "/tests.Sums/Wait"
Scene = Callable[[Line, Sums, Catalogue], Awaitable[None]]


@pytest.fixture(scope="module")
def play(uci_folder: Path) -> Iterator[Callable[..., None]]:
    """Plays a scene with a connection to `Sums`."""
    with asyncio.Runner() as runner:
        opened = catalogue_of(uci_folder, WebService("uci"))
        catalogue = runner.run(opened.__aenter__())

        async def run(scene: Scene, **limits: Any) -> None:
            sums = Sums()
            await scene(Line(plane_of(catalogue, **limits), sums), sums, catalogue)

        yield lambda scene, **limits: runner.run(run(scene, **limits))
        runner.run(opened.__aexit__(None, None, None))


# -- both ways


def test_each_message_is_answered_before_the_next_is_sent(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        counted = catalogue.meter.read().series_of("request")
        before = sum(series.ok for at, series in counted if at["protocol"] == "grpc")
        number = line.open(ECHO)
        for k in range(3):
            line.send(number, b"%d" % k)
            await line.got(number, k + 1)
        line.send_raw(number, b"", end=True)
        assert await line.ended(number) == (Status.OK, "")
        assert line.messages(number) == [b"0", b"1", b"2"]
        assert number not in line.resets
        counted = catalogue.meter.read().series_of("request")
        assert sum(series.ok for at, series in counted if at["protocol"] == "grpc") == before + 1

    play(scene)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_messages_in_any_pieces(play: Any, size: int) -> None:
    messages = [b"", b"a", b"", b"bc" * 50, bytes(range(256))]
    whole = b"".join(map(grpc.framed, messages))

    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(ECHO)
        for at in range(0, len(whole), size):
            line.send_raw(number, whole[at : at + size])
            await asyncio.sleep(0)
        line.send_raw(number, b"", end=True)
        assert await line.ended(number) == (Status.OK, "")
        assert line.messages(number) == messages

    play(scene)


def test_who_sends_faster_than_it_is_taken_is_slowed(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        sums.go.clear()
        number, message, sent = line.open(ECHO), grpc.framed(bytes(1000)), 0
        while line.h2.local_flow_control_window(number) >= len(message):
            line.send_raw(number, message)
            sent += 1
            line.look()
            await asyncio.sleep(0)
        assert FREE_BYTES - len(message) < sent * len(message) <= FREE_BYTES
        assert sums.took == []
        sums.go.set()
        await line.until(lambda: len(sums.took) == sent)
        await line.until(lambda: line.h2.local_flow_control_window(number) > FREE_BYTES // 2)
        for _ in range(500):
            await line.until(lambda: line.h2.local_flow_control_window(number) >= len(message))
            line.send_raw(number, message)
        line.send_raw(number, b"", end=True)
        assert await line.ended(number) == (Status.OK, "")
        assert len(line.messages(number)) == sent + 500

    play(scene)


def test_large_messages_between_small_ones(play: Any) -> None:
    messages = [b"a", bytes(FREE_BYTES // 2 - 5), bytes(1_000_000), b"b", bytes(FREE_BYTES), bytes(FREE_BYTES // 2)] * 2

    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(ECHO)
        unsent = memoryview(b"".join(map(grpc.framed, messages)))
        while unsent:
            await line.until(lambda: line.h2.local_flow_control_window(number))
            size = min(len(unsent), line.h2.local_flow_control_window(number))
            line.send_raw(number, bytes(unsent[:size]))
            unsent = unsent[size:]
        line.send_raw(number, b"", end=True)
        assert await line.ended(number) == (Status.OK, "")
        assert line.messages(number) == messages

    play(scene)


def test_messages_that_are_compressed(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(ECHO, {"grpc-encoding": "gzip", "grpc-accept-encoding": "gzip"})
        line.send_raw(number, grpc.framed(gzip.compress(bytes(5000)), compressed=True) + grpc.framed(b"x"), end=True)
        assert await line.ended(number) == (Status.OK, "")
        assert sums.took == [bytes(5000), b"x"]
        assert line.data[number][:1] == b"\x01"
        large, small = line.messages(number)
        assert (gzip.decompress(large), small) == (bytes(5000), b"x")

    play(scene)


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (grpc.framed(b"bad"), Status.INVALID_ARGUMENT, "that is bad"),
        (grpc.framed(b"broken"), Status.INTERNAL, "internal error"),
        (b"\x02\0\0\0\0", Status.INVALID_ARGUMENT, "starts with 0 or 1"),
        (b"\0\0\0\0\x09abc", Status.INVALID_ARGUMENT, "ended after 8 bytes of 14, in the middle of a message"),
        (b"\0\0\0", Status.INVALID_ARGUMENT, "ended after 3 bytes, in the middle"),
        (b"\0\xff\0\0\0", Status.RESOURCE_EXHAUSTED, "a message of 4278190080 bytes"),
        (grpc.framed(b"zip", compressed=True), Status.INVALID_ARGUMENT, "without a grpc-encoding"),
    ],
)
@pytest.mark.parametrize("before", [0, 2])
def test_what_is_wrong_ends_the_stream_behind_what_was_right(
    play: Any, raw: bytes, status: Status, words: str, before: int
) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(ECHO)
        line.send_raw(number, grpc.framed(b"good") * before + raw, end=True)
        code, text = await line.ended(number)
        assert (code, words in text) == (status, True), text
        assert line.messages(number) == [b"good"] * before
        assert sums.ended.is_set()
        assert line.stream.is_between

    play(scene)


def test_an_answer_that_ends_first_ends_the_call(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(ECHO)
        line.send(number, b"bad")
        assert (await line.ended(number))[0] == Status.INVALID_ARGUMENT
        await line.until(lambda: line.resets.get(number) == 0)

    play(scene)


# -- one message, many answers


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"", "the call has no message"), (grpc.framed(b"1") * 2, "this method takes one")],
)
def test_a_method_that_takes_one_message(play: Any, raw: bytes, words: str) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(COUNT)
        line.send_raw(number, raw, end=True)
        code, text = await line.ended(number)
        assert (code, words in text) == (Status.INVALID_ARGUMENT, True), text
        none = line.open(COUNT)
        line.send(none, b"0", end=True)
        assert await line.ended(none) == (Status.OK, "")
        assert line.messages(none) == []

    play(scene)


def test_nothing_is_made_for_who_takes_nothing(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        line.takes = False  # 65,535 bytes are taken, which is the window that a peer begins with
        number = line.open(COUNT)
        line.send(number, b"100", end=True)
        await line.until(lambda: len(line.data[number]) == 65_535)
        for _ in range(20):
            await asyncio.sleep(0)
        assert sums.made == 7
        line.takes = True
        line.h2.increment_flow_control_window(1 << 24)
        line.h2.increment_flow_control_window(1 << 24, number)
        line.flush()
        assert await line.ended(number) == (Status.OK, "")
        assert len(line.messages(number)) == sums.made == 100

    play(scene)


def test_nothing_is_made_while_the_socket_takes_nothing(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(COUNT)
        line.flow.pause_writing()
        line.send(number, b"100", end=True)
        for _ in range(20):
            await asyncio.sleep(0)
        assert sums.made == 0
        line.flow.resume_writing()
        assert await line.ended(number) == (Status.OK, "")

    play(scene)


# -- how they are called off


def test_who_does_not_take_his_answers_is_cut_off(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        line.takes = False
        number = line.open(COUNT)
        line.send(number, b"100", end=True)
        await line.until(lambda: len(line.data[number]) == 65_535)

        def is_cut() -> bool:
            line.stream.expire()
            return number in line.resets

        await line.until(is_cut)
        assert (line.resets[number], number in line.trailers) == (8, False)
        await line.until(sums.ended.is_set)

    play(scene, stall_s=0.05)


@pytest.mark.parametrize("path", [ECHO, COUNT, WAIT])
@pytest.mark.parametrize("how", ["reset", "gone"])
def test_who_leaves_ends_the_work(play: Any, path: str, how: str) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        line.takes = False
        number = line.open(path)
        line.send(number, b"100", end=path != ECHO)
        await line.until(lambda: line.data[number])
        assert not sums.ended.is_set()
        if how == "reset":
            line.h2.reset_stream(number, 8)
            line.flush()
        else:
            line.stream.connection_lost()
        await line.until(sums.ended.is_set)
        assert line.stream.is_between
        assert number not in line.trailers

    play(scene)


@pytest.mark.parametrize("path", [ECHO, COUNT, WAIT])
def test_a_stream_has_the_time_that_its_caller_gives(play: Any, path: str) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        line.takes = False
        number = line.open(path, {"grpc-timeout": "150m"})
        line.send(number, b"100", end=path != ECHO)
        code, text = await line.ended(number)
        assert (code, "0.15 s that the caller gives" in text) == (Status.DEADLINE_EXCEEDED, True)
        assert sums.ended.is_set()

    play(scene)


def test_half_a_message_is_not_waited_for_for_ever_and_none_is(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number, silent = line.open(ECHO), line.open(ECHO)
        line.send(number, b"good")
        line.send_raw(number, b"\0\0\0\0\x09abc")

        def is_over() -> bool:
            line.stream.expire()
            return number in line.trailers

        await asyncio.sleep(0.01)
        await line.until(is_over)
        assert await line.ended(number) == (Status.DEADLINE_EXCEEDED, "the message did not arrive in time")
        assert line.messages(number) == [b"good"]
        line.send(silent, b"late", end=True)
        assert await line.ended(silent) == (Status.OK, "")

    play(scene, head_s=0.05)


def test_a_server_that_stops_ends_streams(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        echo, wait, count = line.open(ECHO), line.open(WAIT), line.open(COUNT)
        line.send(echo, b"one")
        line.send(wait, b"", end=True)
        line.send(count, b"20", end=True)
        await line.until(lambda: line.messages(wait) and line.messages(echo))
        line.stream.drain()
        assert await line.ended(echo) == (Status.UNAVAILABLE, "the server is stopping")
        assert await line.ended(wait) == (Status.UNAVAILABLE, "the server is stopping")
        assert await line.ended(count) == (Status.OK, "")
        assert len(line.messages(count)) == 20
        await line.until(line.transport.is_closing)

    play(scene)


def test_whether_anybody_is_there_is_asked_where_streams_are_silent_for_long(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open(WAIT)
        line.send(number, b"", end=True)
        await line.until(lambda: line.messages(number))

        def is_asked() -> bool:
            line.stream.expire()
            return b"sounding" in line.transport.said

        await line.until(is_asked)
        assert not line.stream.is_between

    play(scene, idle_s=0.05)


def test_a_method_is_found_by_how_it_is_declared(play: Any) -> None:
    async def scene(line: Line, sums: Sums, catalogue: Catalogue) -> None:
        number = line.open("/tests.Sums/Nope")
        line.send(number, b"", end=True)
        code, text = await line.ended(number)
        assert (code, ECHO in text) == (Status.UNIMPLEMENTED, True)

    play(scene)
