"""Every element type through an engine process: in packets, in shared memory, joined with others."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_server.engine import messages, segments
from paddle_serving_server.engine.context import Context
from tests import identity
from tests.element_arrays import any_arrays, are_same, arrays
from tests.server.engine.processes import EngineProcess, connected

NUMBERS = {row.name: row.code for row in dtype.ELEM_TYPES.values() if row.name != "string" and row.kserve}
"""Those that ONNX Runtime computes, but strings, which it takes in other models than bfloat16."""
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3))
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine that gives back what it takes: one input for each type."""
    yield from _engine(tmp_path_factory.mktemp("numbers"), NUMBERS)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """The same for strings, beside a float, so that blocks and plain arrays are in one message."""
    yield from _engine(tmp_path_factory.mktemp("texts"), {"a": dtype.STRING, "x": 1, "b": dtype.STRING})


def _engine(folder: Path, codes: Mapping[str, int]) -> Iterator[EngineProcess]:
    process = EngineProcess(identity.model(folder / "m", codes), str(folder / "engine.sock"))
    yield process
    process.close()


def echoed(engine: EngineProcess, *feeds: Mapping[str, Array]) -> list[tuple[Array, ...]]:
    """What it answers to feeds that come at once."""

    async def ask() -> list[tuple[Array, ...]]:
        async with connected(engine) as (channel, _):
            arranged = [channel.signature.arrange(feed) for feed in feeds]
            outputs = range(len(channel.signature.outputs))
            replies = await asyncio.gather(*[channel.run(one, tuple(outputs), Context()) for one in arranged])
            return [reply.arrays for reply in replies]

    return asyncio.run(ask())


@FEW
@given(data=st.data())
def test_every_type_of_number(numbers: EngineProcess, data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    feed = {name: data.draw(arrays(code, st.just(shape))) for name, code in NUMBERS.items()}
    (found,) = echoed(numbers, feed)
    assert all(map(are_same, found, feed.values()))


def test_many_numbers_go_through_shared_memory(numbers: EngineProcess) -> None:
    random = np.random.default_rng(1)
    feed = {}
    for name, code in NUMBERS.items():
        kind = dtype.numpy_of(code)
        assert kind is not None
        feed[name] = random.integers(0, 2, (400, 50)).astype(kind)
    for found in echoed(numbers, feed, feed):
        assert all(map(are_same, found, feed.values()))


@st.composite
def strings(draw: st.DrawFn, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    found = draw(st.lists(st.text(max_size=9), min_size=count, max_size=count))
    return byte_strings.array_of([text.encode() for text in found], shape)


@FEW
@given(data=st.data())
def test_strings_of_several_requests_are_joined_and_split(texts: EngineProcess, data: st.DataObject) -> None:
    feeds = []
    for _ in range(data.draw(st.integers(1, 4))):
        shape = (data.draw(st.integers(1, 3)), 2)
        feeds.append({"a": data.draw(strings(shape)), "x": np.ones(shape, np.float32), "b": data.draw(strings(shape))})
    for feed, found in zip(feeds, echoed(texts, *feeds), strict=True):
        assert all(map(are_same, found, feed.values()))


def test_long_strings_go_through_shared_memory(texts: EngineProcess) -> None:
    long = byte_strings.of([["ä" * 100_000, ""], ["b", "c" * 30_000]], "a")
    feed = {"a": long, "x": np.ones((2, 2), np.float32), "b": long[::-1].copy()}
    for found in echoed(texts, feed, feed, feed):
        assert all(map(are_same, found, feed.values()))


def test_a_string_that_the_library_does_not_take_fails_alone(texts: EngineProcess) -> None:
    async def ask() -> list[object]:
        async with connected(texts) as (channel, _):
            x = np.ones((1, 1), np.float32)
            calls = []
            for text in (b"good", b"\xff"):
                array = np.array([[text]], object)
                feed = channel.signature.arrange({"a": array, "x": x, "b": array})
                calls.append(channel.run(feed, (0,), Context()))
            return list(await asyncio.gather(*calls, return_exceptions=True))

    good, bad = asyncio.run(ask())
    assert not isinstance(good, BaseException)
    assert isinstance(bad, BadInput) and "input 'a' has a string that is not UTF-8" in str(bad)


@given(st.lists(any_arrays(), max_size=4), st.booleans())
def test_any_arrays_through_a_message(tensors: list[Array], is_inline: bool) -> None:
    packed, blocks = messages.packed(tensors)
    offsets, end = segments.layout(packed)
    memory = bytearray(end)
    segments.write(memory, packed, offsets)
    where = messages.INLINE if is_inline else 1
    packet = messages.run(1, (0.0, 1.0), where, end, (0,), packed, offsets, {}, blocks)
    read = messages.read_run(packet)
    found = read.layout.arrays(read.inline if is_inline else memory)
    assert all(map(are_same, found, tensors))


def test_a_block_that_goes_beyond_its_end_is_refused() -> None:
    array = np.array([b"abc"], object)
    packed, blocks = messages.packed([array])
    packet = messages.run(1, (0.0, 1.0), messages.INLINE, 7, (0,), packed, [0], {}, blocks)
    read = messages.read_run(packet.replace(b"\3\0\0\0abc", b"\4\0\0\0abc"))
    with pytest.raises(BadInput, match="string 0 says 4 bytes, which goes beyond the end"):
        read.layout.arrays(read.inline)
