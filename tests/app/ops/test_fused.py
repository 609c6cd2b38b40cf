"""Steps that run as one give what they give one after the other, bit by bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.ops import arrays, fused
from paddle_serving_app.reader import BGR2RGB, RGB2BGR, CenterCrop, Div, Normalize, Sequential, Transpose
from paddle_serving_client.errors import BadInput

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CHAINS: dict[str, list[Callable[[Any], Any]]] = {
    "imagenet": [CenterCrop(20), BGR2RGB(), Div(255.0), Normalize(MEAN, STD), Transpose((2, 0, 1))],
    "without a swap": [Div(255.0), Normalize(MEAN, STD), Transpose((2, 0, 1))],
    "normalised first": [Normalize(MEAN, STD), BGR2RGB(), Div(3), Transpose((2, 0, 1))],
    "swapped twice": [BGR2RGB(), RGB2BGR(), Div(255.0), Transpose((2, 0, 1))],
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("view", [np.s_[:], np.s_[3:-2, 1:-4], np.s_[::-1], np.s_[:, ::2], np.s_[:, :, ::-1]], ids=str)
def test_one_step_gives_what_several_give(name: str, view: Any) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (61, 71, 3), dtype=np.uint8)[view]
    one_by_one = picture
    for step in CHAINS[name]:
        one_by_one = step(one_by_one)
    together = Sequential(CHAINS[name])(picture)
    assert together.dtype == one_by_one.dtype == np.float32
    np.testing.assert_array_equal(together, one_by_one)


def test_what_is_no_picture_of_8_bits_goes_through_the_steps() -> None:
    picture = np.random.default_rng(1).random((24, 24, 3), np.float32)
    steps = CHAINS["imagenet"]
    one_by_one = picture
    for step in steps:
        one_by_one = step(one_by_one)
    np.testing.assert_array_equal(Sequential(steps)(picture), one_by_one)


def test_a_step_added_later_counts() -> None:
    steps: list[Callable[[Any], Any]] = [Div(255.0), Transpose((2, 0, 1))]
    sequence = Sequential(steps)
    picture = np.full((4, 4, 3), 255, np.uint8)
    assert sequence(picture).max() == 1.0
    steps.append(lambda array: array + 1)
    assert sequence(picture).max() == 2.0


def test_only_what_treats_each_value_alone_is_joined() -> None:
    class Halved(Div):
        def __call__(self, img: Any) -> Any:
            return super().__call__(img)[: img.shape[0] // 2]

    picture = np.full((4, 4, 3), 100, np.uint8)
    assert Sequential([Halved(2), Transpose((2, 0, 1))])(picture).shape == (3, 2, 4)
    assert fused.LookedUp([Div(2)], False, Transpose((2, 0, 1)))(picture).shape == (3, 4, 4)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_batch_is_its_results_stacked(name: str, kind: type[np.generic]) -> None:
    random = np.random.default_rng(1)
    pictures = [random.integers(0, 256, (24, 31, 3)).astype(kind) for _ in range(3)]
    sequence = Sequential(CHAINS[name])
    for count in (1, 3):
        np.testing.assert_array_equal(
            sequence.batch(iter(pictures[:count])), np.stack([sequence(picture) for picture in pictures[:count]])
        )
    np.testing.assert_array_equal(Sequential([Div(2)]).batch(pictures), np.stack(pictures) / 2)


def test_a_batch_of_nothing_or_of_several_shapes_is_refused() -> None:
    sequence = Sequential(CHAINS["without a swap"])
    for shapes, words in (([], "nothing"), ([(4, 4, 3), (4, 5, 3)], r"\[3, 4, 4\] and \[3, 4, 5\]")):
        with pytest.raises(BadInput, match=words):
            sequence.batch(np.zeros(shape, np.uint8) for shape in shapes)


def test_what_is_made_for_a_model_is_put_where_somebody_says() -> None:
    asked = []

    def memory(shape: tuple[int, ...], kind: Any) -> Any:
        asked.append(shape)
        return np.empty(shape, kind)

    arrays.put_inputs_in(memory)
    try:
        picture = np.zeros((4, 5, 3), np.uint8)
        sequence = Sequential(CHAINS["without a swap"])
        sequence.batch([picture, picture])
        sequence(picture)
    finally:
        arrays.put_inputs_in(np.empty)
    assert asked == [(2, 3, 4, 5), (3, 4, 5)]
