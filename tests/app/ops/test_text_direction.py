import numpy as np

from paddle_serving_app.ops.text_direction import Directions, middle, turned


def test_on_an_upright_page_each_turned_line_is_read_both_ways() -> None:
    directions = Directions([0.1, 0.94, 0.2, 0.99])
    assert directions.is_turned == [False, True, False, True]
    assert directions.doubted([0.99] * 4) == [1, 3]
    assert directions.is_other_better(1, 0.4, 0.98)  # upright it is a text, turned it is none
    assert not directions.is_other_better(3, 0.98, 0.4)
    assert directions.is_other_better(1, 0.99, 0.98)  # "91" or "16": as the lines around it stand


def test_on_a_page_upside_down_only_what_is_read_badly_is_read_again() -> None:
    directions = Directions([0.99, 0.95, 0.97, 0.6])
    assert directions.doubted([0.98, 0.98, 0.7, 0.3]) == [2, 3]
    assert not directions.is_other_better(2, 0.7, 0.3)
    assert directions.is_other_better(3, 0.3, 0.95)  # one that was not turned, and should have been


def test_upright_lines_cost_nothing_more() -> None:
    assert Directions([0.1] * 5).doubted([0.2] * 5) == []
    assert Directions([]).doubted([]) == []


def test_of_a_long_line_the_middle_is_looked_at() -> None:
    line = np.arange(1000, dtype=np.uint8)[None, :, None].repeat(10, 0).repeat(3, 2)
    assert np.array_equal(middle(line), line[:, 460:540])
    assert middle(line[:, :80]).shape == (10, 80, 3)
    assert np.array_equal(turned(line), line[::-1, ::-1])
