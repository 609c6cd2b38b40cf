"""Joining and splitting, against the one property that counts: everybody gets his own rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_server.engine import batch

SHAPES = [(3,), (2, 2), ()]


@st.composite
def feeds(draw: st.DrawFn) -> list[batch.Feed]:
    """Feeds of several kinds; every value tells whose it is: the feed's number, then the row's."""
    made = []
    for k in range(draw(st.integers(1, 12))):
        rows, shape = draw(st.integers(1, 4)), draw(st.sampled_from(SHAPES))
        marks = (100 * k + np.arange(rows)).astype(draw(st.sampled_from([np.float32, np.int64])))
        array = np.broadcast_to(marks.reshape(rows, *(1 for _ in shape)), (rows, *shape)).copy()
        lods = {0: ((0, rows),)} if draw(st.booleans()) and draw(st.booleans()) else {}
        made.append(batch.Feed.of((array,), lods))
    return made


@given(feeds(), st.integers(1, 8))
def test_everybody_gets_his_own_rows(waiting: list[batch.Feed], max_rows: int) -> None:
    answered: dict[int, list[float]] = {}
    numbers = list(range(len(waiting)))
    while numbers:
        chosen = batch.choose([waiting[n] for n in numbers], max_rows)
        jobs = [numbers[k] for k in chosen]
        feeds_of_batch = [waiting[n] for n in jobs]
        assert jobs[0] == numbers[0], "the oldest is never passed over"
        assert len(jobs) == 1 or sum(f.rows for f in feeds_of_batch) <= max_rows
        assert len({f.kind for f in feeds_of_batch}) == 1, "different kinds never mix"
        (joined,) = batch.join(feeds_of_batch)
        parts = batch.split([joined * 2], [f.rows for f in feeds_of_batch])
        assert parts is not None
        for n, (own,) in zip(jobs, parts, strict=True):
            assert n not in answered
            np.testing.assert_array_equal(own, waiting[n].arrays[0] * 2)
            answered[n] = own.tolist()
        numbers = [n for n in numbers if n not in jobs]
    assert len(answered) == len(waiting)


def test_sequences_with_offsets_stay_alone() -> None:
    feed = batch.Feed.of((np.zeros((2, 1), np.int64),), {0: ((0, 2),)})
    assert batch.choose([feed, feed], 32) == [0]


def test_what_was_not_joined_is_not_cut() -> None:
    boxes = np.zeros((7, 6), np.float32)
    assert batch.split([boxes], [1]) == [(boxes,)]


def test_outputs_without_a_row_per_input_row_are_not_split() -> None:
    assert batch.split([np.zeros((3, 2)), np.zeros(())], [1, 2]) is None
    assert batch.split([np.zeros((4, 2))], [1, 2]) is None


def test_agree_tells_last_digits_from_other_rows() -> None:
    alone = [(np.array([[1.0, 2.0]], np.float32),)]
    assert batch.agree([(alone[0][0] * (1 + 1e-6),)], alone)
    assert not batch.agree([(alone[0][0] + 0.1,)], alone)


def test_agree_looks_at_each_row_and_at_whole_numbers() -> None:
    rows = np.array([[0.5, 0.25], [1e9, 2e9]], np.float32)
    assert batch.agree([(rows,)], [(rows,)])
    assert not batch.agree([(rows + np.array([[0.25], [0]], np.float32),)], [(rows,)])
    labels = np.array([[5000]])
    assert not batch.agree([(labels + 1,)], [(labels,)])
    assert batch.agree([(np.full((1, 2), np.nan),)], [(np.full((1, 2), np.nan),)])
