"""An A/B test: shares as the weights say, a key that stays with its variant, and what is refused."""

import asyncio
from pathlib import Path

import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.variants import VariantsEngine, by_key
from tests import models
from tests.server.engine import engines
from tests.server.engine.engines import house

KEYS = [f"user{k}" for k in range(2000)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LocalEngine]:
    folder = tmp_path_factory.mktemp("pair")
    return {"main": engines.uci(folder / "a"), "b": engines.uci(folder / "b", 2.0)}


def test_requests_are_spread_as_the_weights_say(pair: dict[str, LocalEngine]) -> None:
    variants = VariantsEngine(pair, {"main": 80.0, "b": 20.0})
    chosen = [variants.choose(Context()) for _ in range(4000)]
    assert 0.15 < chosen.count("b") / len(chosen) < 0.25
    variants.set_weights({"b": 0})
    assert {variants.choose(Context()) for _ in range(200)} == {"main"}
    assert variants.choose(Context(variant="b")) == "b", "who asks for it by name gets it"


def test_a_key_stays_and_few_keys_move_when_weights_change() -> None:
    before = {key: by_key(key, {"main": 80, "b": 20, "c": 0}) for key in KEYS}
    assert before == {key: by_key(key, {"main": 80, "b": 20, "c": 0}) for key in KEYS}
    after = {key: by_key(key, {"main": 70, "b": 30, "c": 0}) for key in KEYS}
    for share, found in ((0.2, before), (0.3, after)):
        assert abs(list(found.values()).count("b") / len(KEYS) - share) < 0.03
    moved = [key for key in KEYS if before[key] != after[key]]
    assert 0.05 < len(moved) / len(KEYS) < 0.15
    assert {after[key] for key in moved} == {"b"}, "nobody leaves a variant whose weight has grown"


def test_one_request_stays_with_one_variant_and_is_told_which(pair: dict[str, LocalEngine]) -> None:
    async def run() -> None:
        variants = VariantsEngine(pair, {"main": 50, "b": 50})
        for _ in range(8):
            context = Context()
            prices = {float((await variants.run(house(variants), (0,), context)).arrays[0].item()) for _ in range(8)}
            assert len(prices) == 1
            assert context.answered_by in pair
            assert (context.answered_by == "main") is (abs(prices.pop() - models.UCI_PRICE) < 1e-3)

    asyncio.run(run())


def test_the_log_id_is_a_key_only_where_that_was_asked_for(pair: dict[str, LocalEngine]) -> None:
    sticky = VariantsEngine(pair, {"main": 50, "b": 50}, by_log_id=True)
    plain = VariantsEngine(pair, {"main": 50, "b": 50})
    assert len({sticky.choose(Context(log_id=7)) for _ in range(64)}) == 1
    assert len({plain.choose(Context(log_id=7)) for _ in range(64)}) == 2
    assert len({sticky.choose(Context(log_id=0)) for _ in range(64)}) == 2, "0 is no log_id"


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"c": 1}, "no variant 'c'; there are 'main', 'b'"),
        ({"main": -1}, "must be a number from 0"),
        ({"main": "much"}, "must be a number from 0"),
        ({"main": True}, "must be a number from 0"),
        ({"main": float("nan")}, "must be a number from 0"),
        ({"main": 0, "b": 0}, "at least one must be more"),
    ],
)
def test_impossible_weights_change_nothing(pair: dict[str, LocalEngine], weights: dict[str, object], said: str) -> None:
    variants = VariantsEngine(pair, {"main": 80, "b": 20})
    with pytest.raises(BadConfig, match=said):
        variants.set_weights(weights)
    assert variants.weights == {"main": 80, "b": 20}


def test_an_unknown_variant_is_the_callers_error(pair: dict[str, LocalEngine]) -> None:
    with pytest.raises(BadInput, match="no variant 'c'; there are 'main', 'b'"):
        VariantsEngine(pair, {"main": 80, "b": 20}).choose(Context(variant="c"))


def test_a_model_with_other_inputs_cannot_stand_in(pair: dict[str, LocalEngine], tmp_path: Path) -> None:
    multi = LocalEngine.load(models.multi(tmp_path / "multi"), ModelOptions())
    with pytest.raises(
        BadConfig, match="variant 'c' cannot stand in for 'main': inputs are 'f', 'i64', 'i32', were 'x'"
    ):
        VariantsEngine({**pair, "c": multi}, {"main": 1}).check()
    VariantsEngine(pair, {"main": 1}).check()
