"""HTTP/2 below gRPC without a socket: frames in any pieces, remembered headers, windows, and the rules, beside h2."""

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.settings import SettingCodes
from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client.wire import grpc, health
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.protocols.grpc import frames, header_blocks, services
from paddle_serving_server.protocols.grpc.frames import Broken, ErrorCode, FrameReader
from paddle_serving_server.protocols.grpc.header_blocks import HeaderBlocks
from paddle_serving_server.services.web_service import WebService
from tests.server.catalogues import catalogue_of
from tests.server.protocols.grpc_line import Line, plane_of
from tests.server.protocols.test_grpc_streams import ECHO, Sums

CHECK = f"/{health.SERVICE}/Check"
FIELDS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", CHECK),
    (":authority", "test"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
BLOCK = bytes(Encoder().encode([NeverIndexedHeaderTuple(*field) for field in FIELDS]))
GREETING = frames.PREFACE + frames.settings({})


@pytest.fixture(scope="module")
def play(uci_folder: Path) -> Iterator[Callable[[Callable[[Line, Sums], Awaitable[Any]]], Any]]:
    """Plays a scene with a connection."""
    with asyncio.Runner() as runner:
        opened = catalogue_of(uci_folder, WebService("uci"))
        catalogue = runner.run(opened.__aenter__())

        async def run(scene: Callable[[Line, Sums], Awaitable[Any]]) -> Any:
            sums = Sums()
            return await scene(Line(plane_of(catalogue), sums, *services.every()), sums)

        yield lambda scene: runner.run(run(scene))
        runner.run(opened.__aexit__(None, None, None))


# -- frames


_FRAME = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, (1 << 31) - 1), st.binary(max_size=300))


def _read(pieces: list[bytes]) -> list[tuple[int, int, int, bytes]]:
    found: list[tuple[int, int, int, bytes]] = []
    reader = FrameReader(lambda kind, flags, number, payload: found.append((kind, flags, number, bytes(payload))))
    for piece in pieces:
        before = len(found)
        assert reader.feed(piece) == (len(found) > before)
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(_FRAME, max_size=20), st.lists(st.integers(0, 2000), max_size=20))
def test_frames_are_the_same_however_they_are_cut(sent: list[Any], cuts: list[int]) -> None:
    whole = frames.PREFACE + b"".join(frames.frame(*one) for one in sent)
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    assert _read([whole[a:b] for a, b in zip(places, places[1:], strict=False)]) == sent
    assert _read([whole[k : k + 1] for k in range(len(whole))]) == sent


def test_half_a_large_frame_costs_no_more_than_its_bytes() -> None:
    payload = bytes(frames.MAX_FRAME_BYTES)
    whole = frames.PREFACE + frames.frame(0, 0, 1, payload)
    assert _read([whole[k : k + 7] for k in range(0, len(whole), 7)]) == [(0, 0, 1, payload)]
    with pytest.raises(Broken, match="a frame of 262145 bytes"):
        _read([frames.PREFACE + struct.pack(">HBBBI", 1024, 1, 0, 0, 1)])


# -- headers


def _fields(rng: random.Random) -> list[Any]:
    fields = [*FIELDS[:4], ("user-agent", f"c/{rng.randrange(2)}")]
    if rng.random() < 0.3:
        fields.append(("grpc-timeout", f"{rng.randrange(4)}S"))
    if rng.random() < 0.2:
        fields.append(("traceparent", f"{rng.getrandbits(128):032x}"))
    if rng.random() < 0.2:
        fields.append((f"x-{rng.randrange(6)}", "v" * rng.randrange(40)))
    return [NeverIndexedHeaderTuple(*field) if rng.random() < 0.2 else field for field in fields]


def test_remembered_headers_are_those_that_would_be_read() -> None:
    """Tens of thousands of blocks: entries come and go, tables change their size, blocks are damaged."""
    hits = 0
    for seed in range(400):
        rng = random.Random(seed)
        encoder, plain = Encoder(), Decoder(header_blocks.READ_HEADER_BYTES)
        reads = 0

        def make(fields: Any) -> list[tuple[bytes, bytes]]:
            nonlocal reads
            reads += 1
            return list(fields)

        blocks = HeaderBlocks(make)
        for k in range(60):
            if rng.random() < 0.05:
                encoder.header_table_size = rng.choice([0, 64, 100, 256, 1024, 4096])
            block = bytes(encoder.encode(_fields(rng)))
            if rng.random() < 0.001:
                block = block[: rng.randrange(len(block))] + rng.randbytes(2)
            before = reads
            try:
                expected = [(bytes(n), bytes(v)) for n, v in plain.decode(block, raw=True)]
            except HPACKError:
                with pytest.raises(Broken):
                    blocks.read(block)
                break
            assert blocks.read(block) == expected, (seed, k)
            assert list(blocks._table.dynamic_entries) == list(plain.header_table.dynamic_entries), (seed, k)
            hits += reads == before
    assert hits > 1500


_TEXT = st.binary(max_size=300)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=200), _TEXT), max_size=10))
def test_headers_that_are_written_are_read_by_hpack(fields: list[tuple[bytes, bytes]]) -> None:
    fields = [(b":status", b"200"), *fields, (b"grpc-message", b"x" * 5000)]
    decoder = Decoder()
    assert [tuple(field) for field in decoder.decode(header_blocks.block(fields), raw=True)] == fields
    assert not decoder.header_table.dynamic_entries


# -- calls beside h2


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(max_size=40_000), max_size=5),
    st.sampled_from([0, 1, 1000, 65_535, 1 << 20]),
    st.sampled_from([16_384, 20_000, 1 << 20]),
    st.sampled_from([0, 100, 4096, 65_536]),
    st.integers(1, 5000),
)
def test_what_h2_sends_and_takes(
    play: Any, messages: list[bytes], window: int, largest: int, table: int, step: int
) -> None:
    """A client with any settings, whose bytes come in any pieces, changes its windows while it reads."""

    async def scene(line: Line, sums: Sums) -> None:
        line.h2.update_settings(
            {
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_FRAME_SIZE: largest,
                SettingCodes.HEADER_TABLE_SIZE: table,
            }
        )
        line.step = step
        line.flush()
        number, check = line.open(ECHO), line.open(CHECK)
        line.send(number, *[message[:30_000] for message in messages], end=True)
        line.send(check, b"", end=True)
        line.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
        line.flush()
        assert await line.ended(number) == (Status.OK, "")
        assert await line.ended(check) == (Status.OK, "")
        assert line.messages(number) == [message[:30_000] for message in messages]
        assert line.messages(check) == [b"\x08\x01"]

    play(scene)


def test_a_window_that_is_taken_back_is_waited_for(play: Any) -> None:
    async def scene(line: Line, sums: Sums) -> None:
        line.takes = False
        number = line.open("/tests.Sums/Count")
        line.send(number, b"20", end=True)
        await line.until(lambda: len(line.data[number]) == 65_535)
        line.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})  # now it is 65,535 below zero
        line.h2.increment_flow_control_window(1 << 20)
        line.flush()
        line.h2.increment_flow_control_window(65_535 + 1000, number)
        line.flush()
        await line.until(lambda: len(line.data[number]) == 65_535 + 1000)
        for _ in range(20):
            await asyncio.sleep(0)
        line.look()
        assert len(line.data[number]) == 65_535 + 1000

    play(scene)


# -- frames that h2 would not send


def _answered(play: Any, sent: bytes) -> tuple[bytes, bool]:
    """What the server says to bytes, and whether the connection stays."""

    async def scene(line: Line, sums: Sums) -> tuple[bytes, bool]:
        line.stream.data_received(sent)
        for _ in range(20):
            await asyncio.sleep(0.001)
        return line.transport.said, not line.transport.is_closing()

    said, is_open = play(scene)
    return bytes(said), bool(is_open)


def _goodbye(said: bytes) -> int | None:
    at = 0
    while at < len(said):
        size, kind = int.from_bytes(said[at : at + 3]), said[at + 3]
        if kind == frames.GOAWAY:
            return int.from_bytes(said[at + 13 : at + 17])
        at += 9 + size
    return None


OPENED = GREETING + frames.frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK)
MESSAGE = frames.frame(frames.DATA, frames.END_STREAM, 1, grpc.framed(b""))


@pytest.mark.parametrize("size", [1, 3, 17, len(BLOCK) - 1])
def test_headers_go_on_in_other_frames(play: Any, size: int) -> None:
    pieces = [BLOCK[k : k + size] for k in range(0, len(BLOCK), size)][:60]
    pieces[-1] = BLOCK[size * (len(pieces) - 1) :]
    first = frames.frame(
        frames.HEADERS, frames.PADDED | frames.WITH_PRIORITY, 1, b"\3" + bytes(5) + pieces[0] + bytes(3)
    )
    rest = [
        frames.frame(frames.CONTINUATION, frames.END_HEADERS if k == len(pieces) - 1 else 0, 1, piece)
        for k, piece in enumerate(pieces)
    ][1:]
    said, is_open = _answered(play, GREETING + first + b"".join(rest) + MESSAGE)
    assert is_open
    assert grpc.framed(b"\x08\x01") in said


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frames.PREFACE + frames.frame(frames.PING, 0, 0, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.PING, 0, 0, bytes(7)), ErrorCode.FRAME_SIZE_ERROR),
        (GREETING + frames.frame(frames.PING, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.SETTINGS, 0, 1), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.SETTINGS, frames.ACK, 0, bytes(6)), ErrorCode.FRAME_SIZE_ERROR),
        (GREETING + frames.frame(frames.SETTINGS, 0, 0, bytes(5)), ErrorCode.FRAME_SIZE_ERROR),
        (GREETING + frames.settings({frames.Setting.INITIAL_WINDOW_SIZE: 1 << 31}), ErrorCode.FLOW_CONTROL_ERROR),
        (GREETING + frames.settings({frames.Setting.MAX_FRAME_SIZE: 100}), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.settings({frames.Setting.ENABLE_PUSH: 2}), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.window_update(0, 0), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.window_update(0, frames.LARGEST_WINDOW), ErrorCode.FLOW_CONTROL_ERROR),
        (GREETING + frames.window_update(1, 1), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.reset(1, ErrorCode.CANCEL), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.DATA, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.HEADERS, 5, 2, BLOCK), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"), ErrorCode.COMPRESSION_ERROR),
        (GREETING + frames.frame(frames.HEADERS, 0x25, 1, b"\0"), ErrorCode.FRAME_SIZE_ERROR),
        (GREETING + frames.frame(frames.CONTINUATION, 4, 1, BLOCK), ErrorCode.PROTOCOL_ERROR),
        (GREETING + frames.frame(frames.PRIORITY, 0, 1, b"x"), ErrorCode.FRAME_SIZE_ERROR),
        (OPENED + frames.frame(frames.DATA, frames.PADDED, 1, b"\5abc"), ErrorCode.PROTOCOL_ERROR),
        (OPENED + frames.frame(frames.RST_STREAM, 0, 1, bytes(3)), ErrorCode.FRAME_SIZE_ERROR),
        (
            GREETING + frames.frame(frames.HEADERS, 0, 1, BLOCK) + frames.frame(frames.PING, 0, 0, bytes(8)),
            ErrorCode.PROTOCOL_ERROR,
        ),
        (
            GREETING + frames.frame(frames.HEADERS, 0, 1, b"") + frames.frame(frames.CONTINUATION, 0, 1, b"") * 100,
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
        (
            OPENED
            + frames.frame(0, 0, 1, b"\0\0\5\0\0" + bytes((256 << 10) - 5))
            + frames.frame(0, 0, 1, bytes(65_542)),
            ErrorCode.FLOW_CONTROL_ERROR,
        ),
    ],
)
def test_what_breaks_the_rules_ends_the_connection(play: Any, sent: bytes, code: ErrorCode) -> None:
    said, is_open = _answered(play, sent)
    assert (_goodbye(said), is_open) == (code, False)


@pytest.mark.parametrize(
    "sent",
    [
        OPENED + frames.reset(1, ErrorCode.CANCEL) + frames.frame(frames.DATA, 1, 1, b"late"),
        OPENED + frames.reset(1, ErrorCode.CANCEL) + frames.window_update(1, 5) + frames.reset(1, ErrorCode.CANCEL),
        OPENED + frames.reset(1, ErrorCode.CANCEL) + frames.frame(frames.HEADERS, 5, 1, BLOCK),
        OPENED + MESSAGE + frames.frame(frames.DATA, 0, 1, b"more"),
        OPENED + frames.window_update(1, 0),
        OPENED + frames.window_update(1, frames.LARGEST_WINDOW),
        OPENED + frames.frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK),
        GREETING + frames.frame(0xAB, 0xFF, 77, b"unknown"),
        GREETING + frames.frame(frames.PRIORITY, 0, 9, bytes(5)),
    ],
    ids=range(9),
)
def test_what_is_wrong_with_one_call_is_nobody_elses(play: Any, sent: bytes) -> None:
    another = frames.frame(frames.HEADERS, 4, 3, BLOCK) + frames.frame(frames.DATA, 1, 3, grpc.framed(b""))
    said, is_open = _answered(play, sent + another)
    assert (_goodbye(said), is_open) == (None, True)
    assert grpc.framed(b"\x08\x01") in said


def test_trailers_of_a_caller_end_his_messages(play: Any) -> None:
    data = frames.frame(frames.DATA, 0, 1, grpc.framed(b""))
    said, is_open = _answered(play, OPENED + data + frames.frame(frames.HEADERS, 5, 1, BLOCK))
    assert is_open
    assert grpc.framed(b"\x08\x01") in said


def test_what_is_said_in_one_turn_leaves_in_one_piece(play: Any) -> None:
    async def scene(line: Line, sums: Sums) -> None:
        writes: list[bytes] = []
        write = line.transport.write
        line.transport.write = lambda data: (writes.append(bytes(data)), write(data))  # type: ignore[assignment,func-returns-value]
        calls = [
            frames.frame(frames.HEADERS, 4, number, BLOCK) + frames.frame(0, 1, number, grpc.framed(b""))
            for number in range(1, 101, 2)
        ]
        line.stream.data_received(GREETING + b"".join(calls))
        while not line.stream.is_idle:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(data.count(grpc.framed(b"\x08\x01")) for data in writes) == 50
        assert len(writes) <= 3

    play(scene)
