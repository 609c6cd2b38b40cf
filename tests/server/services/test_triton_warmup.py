"""Requests that are run before a model of a repository counts as ready."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_app.triton import repository
from paddle_serving_client.errors import BadInput, BadModel
from paddle_serving_client.message import Request, Response
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.services import triton_warmup
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code.threads import Threads
from tests.triton_models import put

CONFIG = """
backend: "python" max_batch_size: 4
input [ { name: "A" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "B" data_type: TYPE_STRING dims: [ 1 ] },
        { name: "C" data_type: TYPE_UINT8 dims: [ 2 ] } ]
output [ { name: "Y" data_type: TYPE_FP32 dims: [ 1 ] } ]
model_warmup [ {
  name: "two rows" batch_size: 2 count: 3
  inputs { key: "A" value: { data_type: TYPE_FP32 dims: [ 5 ] random_data: true } }
  inputs { key: "B" value: { data_type: TYPE_STRING dims: [ 1 ] input_data_file: "words" } }
  inputs { key: "C" value: { data_type: TYPE_UINT8 dims: [ 2 ] zero_data: true } }
} ]
"""
WORDS = b"\x02\x00\x00\x00ab\x00\x00\x00\x00"


class Kept(Service):
    """Keeps what it is asked, and refuses what it is told to."""

    def __init__(self, refusal: str = "") -> None:
        super().__init__("kept")
        self.asked: list[Request] = []
        self._refusal = refusal

    @property
    def plans(self) -> dict[str, Any]:
        return {}

    @property
    def signature(self) -> Signature:
        return Signature((Input("A", "A", 1, (-1, -1)),), (Output("Y", "Y", 1, (1,)),))

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        raise NotImplementedError

    async def infer(self, request: Request) -> Response:
        if self._refusal:
            raise BadInput(self._refusal)
        self.asked.append(request)
        return Response(tensors={})


def warmed_up(folder: Path, config: str = CONFIG, refusal: str = "", files: Mapping[str, bytes] | None = None) -> Kept:
    put(folder, config, {"1/model.py": "", "warmup/words": WORDS, **(files or {})})
    service = Kept(refusal)
    service.triton = repository.opened(folder).config
    asyncio.run(triton_warmup.run(service, folder))
    return service


def test_each_sample_is_run_as_often_as_it_says(tmp_path: Path) -> None:
    asked = warmed_up(tmp_path / "m").asked
    assert len(asked) == 3
    tensors = asked[0].tensors
    assert tensors is not None
    assert (tensors["A"].shape, tensors["A"].dtype.name, len(np.unique(tensors["A"]))) == ((2, 5), "float32", 10)
    assert (tensors["B"].shape, tensors["B"].reshape(-1).tolist()) == ((2, 1), [b"ab", b""])
    assert (tensors["C"].dtype.name, tensors["C"].tolist()) == ("uint8", [[0, 0], [0, 0]])


def test_a_model_without_samples_is_not_asked(tmp_path: Path) -> None:
    assert warmed_up(tmp_path / "m", CONFIG.partition("model_warmup")[0]).asked == []


@pytest.mark.parametrize(
    ("old", "new", "refusal", "words"),
    [
        ("", "", "not this", "failed to run warmup sample 'two rows' of model 'm': not this"),
        ('"words"', '"../config.pbtxt"', "", "is not a name of a file inside the folder"),
        ('"words"', '"none"', "", "warmup/none: it is missing"),
        ("dims: [ 5 ]", "dims: [ -1 ]", "", r"input 'A' needs lengths of 1 and more, got \[2, -1\]"),
        ("dims: [ 5 ]", "dims: [ 5000000000 ]", "", "has more than 268435456 bytes"),
    ],
)
def test_a_sample_that_cannot_be_run_is_said(tmp_path: Path, old: str, new: str, refusal: str, words: str) -> None:
    with pytest.raises(BadModel, match=words):
        warmed_up(tmp_path / "m", CONFIG.replace(old, new), refusal)
