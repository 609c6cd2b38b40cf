import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_server.graph.pipeline import merge


def feed(rows: int, width: int = 2) -> dict[str, np.ndarray]:
    return {"x": np.arange(rows * width, dtype=np.float32).reshape(rows, width) + 100 * rows}


def sequences(*lengths: int) -> dict[str, np.ndarray]:
    total = sum(lengths)
    return {"w": np.arange(total)[:, None] + total * 100, "w.lod": np.cumsum([0, *lengths])}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (feed(1), feed(1, 3)),
        (feed(1), {"x": feed(1)["x"].astype(np.int64)}),
        (feed(1), {"y": feed(1)["x"]}),
        (feed(1), {**feed(1), "y": feed(1)["x"]}),
        (sequences(1), {"w": sequences(1)["w"]}),
    ],
)
def test_feeds_that_differ_are_never_joined(one: object, other: object) -> None:
    assert merge.kind_of(one) is not None
    assert merge.kind_of(one) != merge.kind_of(other)


@pytest.mark.parametrize(
    "alone",
    [[feed(1)], {}, {"x": "text"}, {"x": np.float32(1)}, {**feed(1), "y": np.zeros((2, 1))}, {"w.lod": np.array([0])}],
)
def test_a_feed_that_cannot_be_joined_joins_with_nobody(alone: object) -> None:
    assert merge.kind_of(alone) is None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_rows_come_back_to_whom_they_belong(rows: list[int]) -> None:
    feeds = [feed(n) for n in rows]
    joined = merge.join(feeds)
    parts = merge.split({"y": joined["x"] * 2}, feeds)
    assert parts is not None
    for part, own in zip(parts, feeds, strict=True):
        np.testing.assert_array_equal(part["y"], own["x"] * 2)


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), min_size=1, max_size=5))
def test_sequences_come_back_with_offsets_of_their_own(lengths: list[list[int]]) -> None:
    feeds = [sequences(*own) for own in lengths]
    joined = merge.join(feeds)
    assert joined["w.lod"].tolist() == np.cumsum([0, *(n for own in lengths for n in own)]).tolist()
    each = np.diff(joined["w.lod"])[:, None]
    parts = merge.split({"same": joined["w"], "same.lod": joined["w.lod"], "length": each}, feeds)
    assert parts is not None
    for part, own, its in zip(parts, feeds, lengths, strict=True):
        np.testing.assert_array_equal(part["same"], own["w"])
        np.testing.assert_array_equal(part["same.lod"], own["w.lod"])
        assert part["length"].ravel().tolist() == its


def test_an_output_by_token_is_cut_by_the_rows_of_the_input() -> None:
    feeds = [sequences(2, 1), sequences(3)]
    parts = merge.split({"y": merge.join(feeds)["w"] + 1}, feeds)
    assert parts is not None
    assert [len(part["y"]) for part in parts] == [3, 3]


@pytest.mark.parametrize("value", [np.zeros((5, 1)), np.float32(1), "text", [1, 2, 3]])
def test_an_output_that_cannot_be_told_apart_is_not_cut(value: object) -> None:
    assert merge.split({"y": value}, [feed(1), feed(2)]) is None
