"""Chains of real models: how outputs find inputs, and what a request on its way is."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.message import Request, Response
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Reply, answer
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.wrapper import Wrapper
from paddle_serving_server.graph.model_graph import Answered, ModelGraph, ModelNode
from paddle_serving_server.graph.wiring import wiring
from tests import models
from tests.server.graph.chains import chain_of

FLOAT, INT64 = 1, 0


def signature(
    inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]], of: int = FLOAT
) -> Signature:
    return Signature(
        tuple(Input(f"{name}_real", name, of, (-1, *shape)) for name, shape in inputs.items()),
        tuple(Output(f"{name}_real", name, of, shape) for name, shape in outputs.items()),
    )


def test_outputs_find_inputs_by_name_or_alias_in_any_order() -> None:
    giver = signature({}, {"a": (2,), "b": (3,), "unused": (9,)})
    assert wiring(giver, signature({"b": (3,), "a": (2,)}, {}), "") == (1, 0)
    real = Signature((Input("b", "a_real", FLOAT, (-1, 2)),), ())
    assert wiring(giver, real, "") == (0,)


def test_without_names_in_common_they_go_by_position() -> None:
    giver = signature({}, {"a": (2,), "b": (3,)})
    assert wiring(giver, signature({"c": (2,), "d": (3,)}, {}), "") == (0, 1)
    assert wiring(giver, signature({"c": (-1,), "d": (8, 8)}, {}), "") == (0, 1)  # unknown axes are seen later


@pytest.mark.parametrize(
    ("taker", "words"),
    [
        (signature({"a": (2,), "d": (3,)}, {}), "have other names, or are not as many"),
        (signature({"c": (2,)}, {}), "have other names, or are not as many"),
        (signature({"c": (2,), "d": (4,)}, {}), "output 'b' does not fit input 'd'"),
        (signature({"a": (2,), "b": (3,)}, {}, INT64), "output 'a' does not fit input 'a'"),
    ],
)
def test_a_chain_that_cannot_be_is_refused_with_both_signatures(taker: Signature, words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        wiring(signature({}, {"a": (2,), "b": (3,)}), taker, "first -> second")
    assert str(caught.value).startswith("first -> second: ")
    assert words in str(caught.value)
    assert "the outputs are a float32[2], b float32[3]; the inputs are " in str(caught.value)


def asked(request: Request, *folders: Path) -> Response:
    async def ask() -> Response:
        chain = chain_of({folder.name: LocalEngine.load(folder, ModelOptions(backend="paddle")) for folder in folders})
        try:
            return await answer(chain, request, Context())
        finally:
            await chain.close()

    return asyncio.run(ask())


def test_what_the_first_gives_feeds_the_next(tmp_path: Path) -> None:
    folders = models.uci(tmp_path / "a"), models.houses(tmp_path / "b"), models.uci(tmp_path / "c")
    x = np.stack([models.UCI_INPUT, models.UCI_INPUT * 2])
    said = asked(Request(tensors={"x": x}, fetch=("price",)), *folders)
    expected = models.uci_answer(models.houses_answer(models.uci_answer(x)))
    np.testing.assert_allclose(said.tensors["price"], expected, rtol=1e-4)
    took = {stage.name: stage.ms for stage in said.stages}
    assert all(took[f"{name}.queue"] >= 0 and took[f"{name}.infer"] > 0 for name in "abc")


def test_sequences_keep_their_offsets(tmp_path: Path) -> None:
    words = np.arange(5, dtype=np.int64)[:, None]
    request = Request(tensors={"words": words}, lods={"words": ((0, 2, 5),)})
    said = asked(request, models.lod(tmp_path / "a"), models.lod(tmp_path / "b"))
    np.testing.assert_array_equal(said.tensors["crf"], words * 4)
    assert said.lods == {"crf": ((0, 2, 5),)}


class Counted(Wrapper):
    """Counts how often it is asked."""

    asked = 0

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        self.asked += 1
        return await super().run(arranged, outputs, context)


def test_a_model_in_front_of_two_ends_is_asked_once(tmp_path: Path) -> None:
    """uci is an end, and feeds houses, which is another one."""

    async def ask() -> tuple[Answered, int]:
        uci = Counted(LocalEngine.load(models.uci(tmp_path / "a"), ModelOptions(backend="paddle")))
        houses = LocalEngine.load(models.houses(tmp_path / "b"), ModelOptions(backend="paddle"))
        nodes = {"uci": ModelNode(uci), "houses": ModelNode(houses, "uci")}
        graph = ModelGraph(nodes, {"uci": "uci", "houses": "houses"})
        try:
            arranged = graph.arranged({"x": models.UCI_INPUT[None]}, {})
            return await graph.run(arranged, {"uci": (0,), "houses": (0,)}, Context()), uci.asked
        finally:
            await uci.close()
            await houses.close()

    answered, asked_times = asyncio.run(ask())
    price = models.uci_answer(models.UCI_INPUT[None])
    np.testing.assert_allclose(answered.replies["uci"].arrays[0], price, rtol=1e-4)
    np.testing.assert_allclose(answered.replies["houses"].arrays[0], models.houses_answer(price), rtol=1e-4)
    assert asked_times == 1
    assert {stage.name.partition(".")[0] for stage in answered.stages} == {"uci", "houses"}


def test_no_rows_are_answered_without_asking_a_library(tmp_path: Path) -> None:
    """Nobody can feed no rows; an op in the middle can find none."""

    async def ask() -> Response:
        empty = LocalEngine.load(models.text_detector(tmp_path / "a"), ModelOptions(backend="paddle"))
        reader = LocalEngine.load(models.line_reader(tmp_path / "b"), ModelOptions(backend="paddle"))
        from paddle_serving_server.graph.general_ops import general_detection_op
        from paddle_serving_server.user_code.threads import Threads
        from tests.server.graph.general_ops.pictures import encoded

        with contextlib.closing(Threads(1, "test")) as threads:
            chain = chain_of({"det": general_detection_op.make(empty, reader, threads), "rec": reader})
            text = np.array([encoded(np.zeros((64, 64, 3), np.uint8))], object)
            try:
                return await answer(chain, Request(tensors={"x": text}), Context())
            finally:
                await chain.close()

    assert asyncio.run(ask()).tensors["bright"].shape == (0, 1)
