"""A model folder is loaded whole or refused with the reason; then it runs in the order of its config."""

import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import pytest

from paddle_serving_app import backends, weights
from paddle_serving_app.backend import ModelOptions, Outputs, TensorSpec
from paddle_serving_app.choosing import kept_plans
from paddle_serving_app.choosing.plan import Candidate, Plan
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged, Sample
from paddle_serving_client import manifest, model_config, plugins
from paddle_serving_client.errors import BackendFailed, BadConfig, BadInput, BadModel, MissingLibrary
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.model_config import ModelSpec, Variable
from tests import models
from tests.app.conftest import Folder
from tests.app.programs import FLOAT, INT64, Nodes, onnx_model, paddle_model


class Fake:
    """A backend that gives each input back as an output of the same number, and says so when it is told not to."""

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.runs: list[tuple[tuple[int, ...], ...]] = []
        self.refused: set[tuple[int, ...]] = set()
        self.lods: Mapping[int, Lod] = {}
        self.value: float | None = None
        self.closed = 0

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        self.runs.append(tuple(a.shape for a in arrays))
        self.lods = dict(lods)
        if any(a.shape in self.refused for a in arrays):
            raise BackendFailed("does not fit")
        if self.value is not None:
            return Outputs(tuple(np.full(a.shape, self.value, np.float32) for a in arrays), {})
        return Outputs(tuple(arrays), lods)

    def close(self) -> None:
        self.closed += 1


class FakeLoad(Protocol):
    def __call__(self, spec: ModelSpec, fake: Fake, follow: Plan | None = None) -> Model: ...


def spec_of(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> ModelSpec:
    return ModelSpec(tuple(inputs), tuple(outputs))


def var(
    name: str, elem_type: int = 1, shape: tuple[int, ...] = (2,), alias: str = "", is_lod: bool = False
) -> Variable:
    return Variable(name, alias or name, elem_type, shape, is_lod)


def tensor(name: str, shape: tuple[int, ...] = (-1, 2), elem_type: int = 1) -> TensorSpec:
    return TensorSpec(name, shape, elem_type)


@pytest.fixture
def fake_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLoad:
    """Load a folder with that config by a fake backend."""
    real = plugins.load

    def load(spec: ModelSpec, fake: Fake, follow: Plan | None = None) -> Model:
        (tmp_path / model_config.SERVER_CONFIG).write_text(model_config.to_text(spec))
        plugin = SimpleNamespace(missing=lambda: None, refuses=lambda *_: None, load=lambda *_: fake)
        monkeypatch.setattr(
            plugins, "load", lambda package, name: plugin if package is backends else real(package, name)
        )
        if follow is None:
            return Model.load(tmp_path, ModelOptions(backend="fake"))
        monkeypatch.setattr(kept_plans, "versions", dict)
        return Model.load(tmp_path, tune_s=0, follow=follow)

    return load


def sample_of(model: Model, rows: int = 1, seed: int = 0) -> Arranged:
    sample = model.sample(rows, seed)
    assert sample is not None
    return sample


class TestMatching:
    def test_order_of_the_config(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("b", (-1, 3)), tensor("a")], [tensor("p", (-1, 3)), tensor("q")])
        config = spec_of([var("a", alias="x"), var("b", shape=(3,))], [var("q", alias="y"), var("p", shape=(3,))])
        model = fake_load(config, fake)
        assert [(i.alias, i.shape) for i in model.signature.inputs] == [("x", (-1, 2)), ("b", (-1, 3))]
        a, b = np.ones((1, 2), np.float32), np.ones((1, 3), np.float32)
        outputs = model.run(model.signature.arrange({"x": a, "b": b}))
        assert fake.runs[-1] == ((1, 3), (1, 2))
        assert [o.shape for o in outputs.arrays] == [(1, 2), (1, 3)]

    def test_offsets_go_where_they_belong(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("b"), tensor("a")], [tensor("p"), tensor("q")])
        config = spec_of([var("a"), var("b", shape=(-1,), is_lod=True)], [var("q", is_lod=True), var("p", is_lod=True)])
        model = fake_load(config, fake)
        feed = {"a": np.ones((3, 2), np.float32), "b": np.ones((3, 2), np.float32)}
        outputs = model.run(model.signature.arrange(feed, {"b": ((0, 3),)}))
        assert fake.lods == {0: ((0, 3),)}
        assert outputs.lods == {1: ((0, 3),)}

    def test_some_outputs_only(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a"), tensor("b", (-1, 3))], [tensor("p"), tensor("q", (-1, 3))])
        model = fake_load(spec_of([var("a"), var("b", shape=(3,))], [var("q")]), fake)
        assert [o.name for o in model.signature.outputs] == ["q"]
        assert [o.shape for o in model.run(sample_of(model, rows=4)).arrays] == [(4, 3)]

    def test_outputs_by_position_when_no_name_fits(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a"), tensor("b")], [tensor("fetch_name_0"), tensor("fetch_name_1")])
        model = fake_load(spec_of([var("a"), var("b")], [var("p"), var("q")]), fake)
        assert [o.name for o in model.signature.outputs] == ["p", "q"]

    @pytest.mark.parametrize("fetches", [["p", "other"], ["x", "y", "z"], ["x"]])
    def test_outputs_that_do_not_fit(self, fake_load: FakeLoad, fetches: list[str]) -> None:
        fake = Fake([tensor("a")], [tensor("p"), tensor("q")])
        with pytest.raises(BadModel, match="outputs .*the model has 'p', 'q'"):
            fake_load(spec_of([var("a")], [var(name) for name in fetches]), fake)
        assert fake.closed == 1

    @pytest.mark.parametrize("feeds", [["a"], ["a", "c"], ["a", "b", "c"]])
    def test_inputs_that_do_not_fit(self, fake_load: FakeLoad, feeds: list[str]) -> None:
        with pytest.raises(BadModel, match="inputs 'a'.*the model has 'a', 'b'"):
            fake_load(
                spec_of([var(name) for name in feeds], [var("p")]), Fake([tensor("a"), tensor("b")], [tensor("p")])
            )

    def test_other_type(self, fake_load: FakeLoad) -> None:
        with pytest.raises(BadModel, match="input 'a' is int64, but the model takes float32"):
            fake_load(spec_of([var("a", 0)], [var("p")]), Fake([tensor("a")], [tensor("p")]))

    @pytest.mark.parametrize(("said", "found", "agreed"), [(-1, 1, 1), (1, -1, 1), (20, 7, 7), (1, 1, 1)])
    def test_types_that_agree(self, fake_load: FakeLoad, said: int, found: int, agreed: int) -> None:
        fake = Fake([tensor("a", elem_type=found)], [tensor("p", elem_type=agreed)])
        assert fake_load(spec_of([var("a", said)], [var("p")]), fake).signature.inputs[0].elem_type == agreed

    def test_output_of_another_type_is_only_told(self, fake_load: FakeLoad, caplog: pytest.LogCaptureFixture) -> None:
        fake = Fake([tensor("a", elem_type=0)], [tensor("p", elem_type=0)])
        assert fake_load(spec_of([var("a", 0)], [var("p", 1)]), fake).signature.outputs[0].elem_type == 0
        assert "output 'p' is float32; the model gives int64" in caplog.text


class TestWarmUp:
    def test_guesses_until_one_fits(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a", (-1, 3, -1, -1))], [tensor("p")])
        fake.refused = {(1, 3, 224, 224), (1, 3, 64, 64)}
        model = fake_load(spec_of([var("a", shape=(3,))], [var("p")]), fake)
        assert fake.runs == [((1, 3, 224, 224),), ((1, 3, 64, 64),), ((1, 3, 32, 32),)]
        assert sample_of(model, rows=5).arrays[0].shape == (5, 3, 32, 32)

    @pytest.mark.parametrize(
        ("found", "said", "tried"),
        [
            ((-1, 3, -1, -1), (3, 48, 320), (1, 3, 48, 320)),
            ((-1, -1, -1, 3), (3,), (1, 224, 224, 3)),
            ((-1, 3, 32, -1), (3, 32), (1, 3, 32, 224)),
            ((-1, -1), (), (1, 64)),
            ((-1, -1, 8), (8,), (1, 64, 8)),
            ((2, 13), (2, 13), (2, 13)),
            ((-1,), (), (1,)),
            ((-1, 3, -1, -1), (3, -1, -1), (1, 3, 224, 224)),
        ],
    )
    def test_shape_that_is_tried(
        self, fake_load: FakeLoad, found: tuple[int, ...], said: tuple[int, ...], tried: tuple[int, ...]
    ) -> None:
        fake = Fake([tensor("a", found)], [tensor("p")])
        fake_load(spec_of([var("a", shape=said)], [var("p")]), fake)
        assert fake.runs == [(tried,)]

    def test_none_fits(self, fake_load: FakeLoad, caplog: pytest.LogCaptureFixture) -> None:
        fake = Fake([tensor("a", (-1, 2))], [tensor("p")])
        fake.refused = {(1, 2)}
        model = fake_load(spec_of([var("a")], [var("p")]), fake)
        assert "goes live untried" in caplog.text
        assert model.sample() is None
        assert len(fake.runs) == 1  # there is nothing else to try

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_no_numbers(self, fake_load: FakeLoad, value: float) -> None:
        fake = Fake([tensor("a")], [tensor("p")])
        fake.value = value
        with pytest.raises(BadModel, match=r"output 'p' \(float32\[1, 2\]\) is not finite: weights are missing"):
            fake_load(spec_of([var("a")], [var("p")]), fake)
        assert fake.closed == 1

    def test_numbers_outside_of_what_a_model_is_made_for(
        self, fake_load: FakeLoad, caplog: pytest.LogCaptureFixture
    ) -> None:
        """log(x - 1) of numbers from 0 to 1 is none; of others it is."""

        def run(arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
            with np.errstate(invalid="ignore", divide="ignore"):
                return Outputs((np.log(arrays[0] - 1),), {})

        wide = (-1, 99)
        fake = Fake([tensor("a", wide)], [tensor("p", wide)])
        fake.run = run  # type: ignore[method-assign]
        fake_load(spec_of([var("a", shape=(99,))], [var("p")]), fake)
        assert "not finite with each made-up input" in caplog.text

    def test_a_model_made_for_few_numbers_only(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """log((x - 200) (300 - x)) has no number for any made-up input; its weights are sound all the same."""

        def layers(paddle: Any, x: Any) -> Any:
            return paddle.log((x - 200.0) * (300.0 - x))

        folder = paddle_model(tmp_path / "m", {"x": ((-1, 2), "float32")}, layers, "json")
        model = Model.load(folder, ModelOptions(backend="paddle"))
        assert "though its weights are sound" in caplog.text
        given = model.run(model.signature.arrange({"x": np.array([[250, 201]], np.float32)}))
        np.testing.assert_allclose(given.arrays[0], np.log([[2500, 99]]), rtol=1e-5)

    @pytest.mark.parametrize("form", ["pdmodel", "json", "onnx"])
    @pytest.mark.parametrize(
        ("value", "is_silent", "words"),
        [
            (0.0, True, None),
            (np.nan, False, "holds NaN"),
            (np.inf, False, None),  # as masks do
            (np.inf, True, "holds inf"),
            (3e38, True, r"holds 3e\+38"),
        ],
    )
    def test_damaged_weights_are_found(
        self, tmp_path: Path, form: models.Form, value: float, is_silent: bool, words: str | None
    ) -> None:
        if form == "onnx":
            pytest.importorskip("paddle2onnx")
        values = models.UCI_W.copy()
        values[3] = value
        found = weights.damage(models.uci(tmp_path / "m", form, weights=values), is_silent=is_silent)
        assert found is None if words is None else re.search(words, found or "")

    def test_batches_of_the_plan_are_tried(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a")], [tensor("p")])
        fake.refused = {(3, 2)}  # whoever sends such a batch is told
        plan = Plan(candidate=Candidate("fake", onednn=False, threads=1), max_rows=4, why="")
        fake_load(spec_of([var("a")], [var("p")]), fake, plan)
        assert fake.runs == [((1, 2),), ((2, 2),), ((3, 2),), ((4, 2),)]

    def test_batches_of_a_model_that_takes_none(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a", (2, 13))], [tensor("p")])
        plan = Plan(candidate=Candidate("fake", onednn=False, threads=1), max_rows=4, why="")
        fake_load(spec_of([var("a", shape=(2, 13))], [var("p")]), fake, plan)
        assert fake.runs == [((2, 13),)]

    def test_lod_input(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("w", (-1, 1), 0)], [tensor("p", elem_type=0)])
        fake_load(spec_of([var("w", 0, (-1,), is_lod=True)], [var("p")]), fake)
        assert fake.runs == [((3, 1),)]
        assert fake.lods == {0: ((0, 3),)}

    def test_whole_numbers_that_are_beyond_a_table(self, tmp_path: Path) -> None:
        pytest.importorskip("onnx")
        nodes: Nodes = [("Gather", ["table", "ids"], ["y"], {"axis": 0})]
        shapes = {"ids": ((None, 2), INT64)}, {"y": ((None, 2, 3), FLOAT)}
        model = Model.load(onnx_model(tmp_path / "m", *shapes, nodes, {"table": np.ones((1, 3), np.float32)}))
        assert model.signature.inputs[0].sample == Sample((1, 2), 0)

    def test_samples_differ(self, fake_load: FakeLoad) -> None:
        kinds = range(10)
        inputs = [tensor(f"i{k}", (-1, 9), k) for k in kinds if k != 6]
        config = spec_of([var(t.name, t.elem_type, (9,)) for t in inputs], [var("p")])
        model = fake_load(config, Fake(inputs, [tensor("p", elem_type=0), *inputs[1:]]))
        one, same, other = sample_of(model, 2, 1), sample_of(model, 2, 1), sample_of(model, 2, 2)
        for a, b, c in zip(one.arrays, same.arrays, other.arrays, strict=True):
            np.testing.assert_array_equal(a, b)
            assert (a != c).any()
        assert model.signature.arrange(dict(zip([t.name for t in inputs], one.arrays, strict=True))).arrays


class TestNamesAndAxes:
    """What a library does to a graph is not its callers' business."""

    @pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
    def test_an_input_behind_which_a_step_is_dropped(self, tmp_path: Path, backend: str) -> None:
        pytest.importorskip("onnx")
        nodes: Nodes = [("Dropout", ["x"], ["kept"], {}), ("Relu", ["kept"], ["y"], {})]
        shapes = {"x": ((None, 3), FLOAT)}, {"y": ((None, 3), FLOAT)}
        model = Model.load(onnx_model(tmp_path / "m", *shapes, nodes, {}), ModelOptions(backend=backend))
        given = model.run(model.signature.arrange({"x": np.array([[1, -2, 3]], np.float32)}))
        np.testing.assert_array_equal(given.arrays[0], [[1, 0, 3]])

    @pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
    def test_a_past_that_is_not_there_yet(self, tmp_path: Path, backend: str) -> None:
        pytest.importorskip("onnx")
        nodes: Nodes = [
            ("Concat", ["past", "x"], ["all"], {"axis": 2}),
            ("Mul", ["other", "two"], ["twice"], {}),
            ("ReduceSum", ["all", "two"], ["y"], {"keepdims": 0}),
        ]
        inputs = {name: ((None, 2, None), FLOAT) for name in ("x", "past")} | {"other": ((None, None), INT64)}
        outputs = {"y": ((None, 2), FLOAT), "twice": ((None, None), INT64)}
        folder = onnx_model(tmp_path / "m", inputs, outputs, nodes, {"two": np.array([2])})
        if backend == "openvino":  # which would compute `twice` in 32 bits
            with pytest.raises(BadModel, match="32 bits"):
                Model.load(folder, ModelOptions(backend=backend))
            return
        model = Model.load(folder, ModelOptions(backend=backend))
        feed = {
            "x": np.ones((1, 2, 3), np.float32),
            "past": np.empty((1, 2, 0), np.float32),
            "other": np.ones((1, 1), int),
        }
        np.testing.assert_array_equal(model.run(model.signature.arrange(feed)).arrays[0], [[3, 3]])
        with pytest.raises(BadInput, match="input 'other' .* axis 1 is empty"):
            model.signature.arrange({**feed, "other": np.empty((1, 0), int)})


class TestRun:
    def test_number_of_outputs(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a")], [tensor("p")])
        model = fake_load(spec_of([var("a")], [var("p")]), fake)
        model._output_count = 2
        with pytest.raises(BackendFailed, match="gave 1 outputs instead of 2"):
            model.run(Arranged((np.ones((1, 2), np.float32),), {}))

    def test_different_numbers_of_rows_that_the_library_does_not_take(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a"), tensor("b")], [tensor("p"), tensor("q")])
        model = fake_load(spec_of([var("a"), var("b")], [var("p"), var("q")]), fake)
        rows = {n: np.ones((n, 2), np.float32) for n in (2, 3)}
        assert [len(a) for a in model.run(Arranged((rows[2], rows[3]), {})).arrays] == [2, 3]
        fake.refused.add((2, 2))
        with pytest.raises(BadInput, match="different numbers of rows: 'a' has 2, 'b' has 3; this model cannot"):
            model.run(Arranged((rows[2], rows[3]), {}))
        with pytest.raises(BackendFailed, match="does not fit"):
            model.run(Arranged((rows[2], rows[2]), {}))

    def test_another_type_than_declared(self, fake_load: FakeLoad) -> None:
        config = spec_of([var("a")], [var("p")])
        with pytest.raises(BadModel, match="gave an output as float32 instead of float16"):
            fake_load(config, Fake([tensor("a")], [tensor("p", elem_type=5)]))
        model = fake_load(config, fake := Fake([tensor("a")], [tensor("p")]))
        fake.run = lambda *_: Outputs((np.ones((1, 2), np.float64),), {})  # type: ignore[method-assign]
        with pytest.raises(BackendFailed, match="gave an output as float64 instead of float32"):
            model.run(Arranged((np.ones((1, 2), np.float32),), {}))

    def test_a_type_that_the_library_only_names(self, fake_load: FakeLoad) -> None:
        with pytest.raises(BadModel, match="gave an output as float32 instead of bfloat16"):
            fake_load(spec_of([var("a")], [var("p")]), Fake([tensor("a")], [tensor("p", elem_type=6)]))

    def test_a_type_without_a_code(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a")], [tensor("p", elem_type=-1)])
        fake.run = lambda *_: Outputs((np.ones((1, 2), np.longdouble),), {})  # type: ignore[method-assign]
        with pytest.raises(BadModel, match="output 'p' is .*, which cannot be served"):
            fake_load(spec_of([var("a")], [var("p", -1)]), fake)

    def test_closed(self, fake_load: FakeLoad) -> None:
        fake = Fake([tensor("a")], [tensor("p")])
        model = fake_load(spec_of([var("a")], [var("p")]), fake)
        model.close()
        model.close()
        assert fake.closed == 1
        with pytest.raises(BackendFailed, match="is closed"):
            model.run(Arranged((np.ones((1, 2), np.float32),), {}))


class TestChoice:
    @pytest.mark.paddle2onnx
    def test_first_that_can(self, model_folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        assert Model.load(model_folder("uci", "pdmodel")).backend_name == "paddle"
        assert Model.load(model_folder("uci", "onnx")).backend_name == "onnxruntime"
        assert "is not loaded by paddle: " in caplog.text

    def test_without_paddle(self, model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        lacks(monkeypatch, "paddle", "paddle2onnx")
        assert Model.load(model_folder("uci", "pdmodel")).backend_name == "openvino"

    def test_nothing_installed(self, model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        lacks(monkeypatch, "paddle", "paddle2onnx", "onnxruntime", "openvino")
        with pytest.raises(MissingLibrary, match="pip install paddlepaddle.*install onnxruntime.*install openvino"):
            Model.load(model_folder("uci", "pdmodel"))

    @pytest.mark.paddle2onnx
    def test_no_gpu_anywhere(self, model_folder: Folder) -> None:
        with pytest.raises(MissingLibrary, match="paddle: GPU 63"):
            Model.load(model_folder("uci", "pdmodel"), ModelOptions(gpu_id=63))

    def test_no_model(self, model_folder: Folder, tmp_path: Path) -> None:
        shutil.copy(model_folder("uci", "pdmodel") / model_config.SERVER_CONFIG, tmp_path)
        with pytest.raises(BadModel, match="paddle: .*onnxruntime: .*openvino: "):
            Model.load(tmp_path)

    def test_unknown_backend(self, model_folder: Folder) -> None:
        with pytest.raises(BadConfig, match="'tensorflow'; there are: "):
            Model.load(model_folder("uci", "pdmodel"), ModelOptions(backend="tensorflow"))

    def test_backends_that_are_there(self) -> None:
        assert {"paddle", "onnxruntime", "openvino"} <= set(plugins.names(backends))


class TestFolder:
    def test_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(BadModel, match="nowhere"):
            Model.load(tmp_path / "nowhere")

    def test_no_config(self, tmp_path: Path) -> None:
        with pytest.raises(BadModel, match=r"it is empty; expected .* which has serving_server_conf\.prototxt"):
            Model.load(tmp_path)

    def test_config_of_another_model(self, model_folder: Folder, tmp_path: Path) -> None:
        folder = shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "m")
        shutil.copy(model_folder("multi", "pdmodel") / model_config.SERVER_CONFIG, folder)
        with pytest.raises(BadModel, match="inputs 'f_real', 'i64_real', 'i32_real', the model has 'x'"):
            Model.load(folder)

    def test_manifest(self, model_folder: Folder, tmp_path: Path) -> None:
        folder = shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "m")
        manifest.write(folder, ["model.pdmodel", "model.pdiparams"])
        Model.load(folder).close()
        content = bytearray((folder / "model.pdiparams").read_bytes())
        content[-2] ^= 4
        (folder / "model.pdiparams").write_bytes(content)
        with pytest.raises(BadModel, match=r"manifest\.json says"):
            Model.load(folder)

    @pytest.mark.parametrize("backend", ["paddle", "onnxruntime", "openvino"])
    def test_weights_that_are_no_numbers(self, backend: str, tmp_path: Path) -> None:
        form: models.Form = "onnx" if backend == "onnxruntime" else "pdmodel"
        folder = models.uci(tmp_path / "m", form, weights=np.full(13, np.nan, np.float32))
        with pytest.raises(BadModel, match="output 'price' .* is not finite"):
            Model.load(folder, ModelOptions(backend=backend))


def lacks(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Make the process believe that these are not installed."""
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module in modules else find(module))
