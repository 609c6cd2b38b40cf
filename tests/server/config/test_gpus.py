"""--gpu_ids: one word for each model, in the machine's numbers."""

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.gpus import NotVisible, gpus_of


@pytest.mark.parametrize(
    ("said", "models", "expected"),
    [
        ([], 1, [None]),
        (["-1"], 2, [None, None]),
        (["1"], 2, [1, 1]),
        (["0", "2"], 2, [0, 2]),
        (["0", "-1"], 2, [0, None]),
        (["0", "1"], 3, [0, 1, None]),
        (["2"], 0, [2]),
        (["0,0"], 1, [0]),
    ],
)
def test_each_model_gets_its_gpu(said: list[str], models: int, expected: list[int | None]) -> None:
    assert gpus_of(said, models, None) == expected


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["x"], "takes numbers, got x"),
        (["-2"], "The input of gpuid error"),
        (["0,-1"], "You can not use CPU and GPU in one model"),
        (["0,1"], "one GPU for each model, got 0,1"),
        (["0", "1"], "2 items (0 1) for 1 models"),
    ],
)
def test_words_that_cannot_be_are_named(said: list[str], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        gpus_of(said, 1, None)
    assert words in str(caught.value)


@pytest.mark.parametrize(("visible", "expected"), [("2,3", 1), ("3", 0), ("GPU-8f3c,GPU-11aa", 3)])
def test_numbers_are_the_machines_and_the_library_counts_what_it_sees(visible: str, expected: int) -> None:
    assert gpus_of(["3"], 1, visible) == [expected]


@pytest.mark.parametrize("visible", ["0,1", ""])
def test_a_gpu_that_is_hidden_is_refused(visible: str) -> None:
    with pytest.raises(NotVisible, match="gpu_ids is not in CUDA_VISIBLE_DEVICES"):
        gpus_of(["3"], 1, visible)
    assert gpus_of(["-1"], 1, visible) == [None]
