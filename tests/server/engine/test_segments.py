"""Shared memory that user code fills: where an engine reads it, for as long as somebody holds the array."""

import gc
import threading

import numpy as np
import pytest

from paddle_serving_client.errors import Busy
from paddle_serving_client.message import Array
from paddle_serving_server.engine.messages import INLINE_BYTES
from paddle_serving_server.engine.segments import ALIGN, SegmentPool

SHAPE = (2, 3, 100, 100)


def test_what_was_lent_is_found_by_every_view_of_it_and_returned_when_the_last_is_gone() -> None:
    pool = SegmentPool()
    array = pool.empty(SHAPE, np.float32)
    assert array.shape == SHAPE
    assert array.dtype == np.float32
    found = pool.lent(array[None][0])
    assert found is not None
    lent, offset = found
    assert offset == 0
    array[...] = 7
    seen: Array = np.ndarray(SHAPE, np.float32, lent.segment.memory)
    assert (seen == 7).all()
    assert pool.lent(array[1]) == (None if array[0].nbytes % ALIGN else (lent, array[0].nbytes))
    assert pool.lent(array.copy()) is None
    view, number = array[1:], lent.segment.number
    del array, found, lent, seen
    gc.collect()
    assert pool.take(100).number != number, "a view is left"
    del view
    gc.collect()
    assert pool.take(100).number == number
    pool.close()


def test_an_array_that_an_engine_reads_is_copied_for_the_next_one() -> None:
    pool = SegmentPool()
    array = pool.empty(SHAPE, np.float32)
    found = pool.lent(array)
    assert found is not None
    found[0].is_in_use = True
    assert pool.lent(array) is None


def test_user_code_that_keeps_arrays_leaves_room_for_requests() -> None:
    pool = SegmentPool(64 << 20)
    kept = [pool.empty((1 << 20,), np.uint8) for _ in range(200)]
    assert sum(pool.lent(array) is not None for array in kept) * (1 << 20) <= 16 << 20
    segments = []
    with pytest.raises(Busy):
        for _ in range(100):
            segments.append(pool.take(1 << 20))
    assert len(segments) >= 24
    assert pool.lent(pool.empty((INLINE_BYTES - 1,), np.uint8)) is None


def test_threads_take_and_let_go() -> None:
    pool = SegmentPool()
    wrong = []

    def use(number: int) -> None:
        for _ in range(200):
            array = pool.empty((100_000,), np.int64)
            array[...] = number
            if (array != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    pool.close()
