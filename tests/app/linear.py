"""The uci model computed with numpy: a backend as quick, and as wrong, as a test wants it."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from paddle_serving_app.backend import ModelOptions, Outputs, TensorSpec
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.model_config import ModelSpec
from tests import models


class Linear:
    """x float32[-1, 13] -> fc_0.tmp_1 float32[-1, 1]."""

    inputs = (TensorSpec("x", (-1, 13), 1),)
    outputs = (TensorSpec("fc_0.tmp_1", (-1, 1), 1),)

    def __init__(self, ms: Callable[[int], float] = lambda rows: 1.0) -> None:
        self._ms = ms
        """What a run takes, by rows."""

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        time.sleep(self._ms(len(arrays[0])) / 1000)
        return Outputs((models.uci_answer(arrays[0]),), {})

    def close(self) -> None:
        pass


class Plugin:
    """The functions of a backend's module, for `globals().update`; `make` gives the backend."""

    def __init__(self, make: Callable[[ModelOptions], Linear]) -> None:
        self._make = make

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return "1.0"

    def refuses(self, folder: Path, spec: ModelSpec) -> str | None:
        return None

    def load(self, folder: Path, spec: ModelSpec, options: ModelOptions) -> Linear:
        return self._make(options)
