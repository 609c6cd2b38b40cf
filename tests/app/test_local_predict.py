"""LocalPredictor answers as Paddle Serving's did, without its surprises."""

import inspect
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import kept_plans
from paddle_serving_app.choosing.plan import Candidate, Plan
from paddle_serving_app.local_predict import Debugger, LocalPredictor
from paddle_serving_client.errors import BadInput, BadModel, MissingLibrary
from tests import models
from tests.app.conftest import Folder

X = models.UCI_INPUT


@pytest.fixture(scope="module")
def uci(model_folder: Folder) -> LocalPredictor:
    """The linear model."""
    return loaded(model_folder("uci", "pdmodel"))


@pytest.fixture(scope="module")
def multi(model_folder: Folder) -> LocalPredictor:
    """Three inputs, three outputs."""
    return loaded(model_folder("multi", "pdmodel"))


def loaded(folder: Path, **options: Any) -> LocalPredictor:
    predictor = LocalPredictor()
    predictor.load_model_config(str(folder), **options)
    return predictor


def test_parameters_are_the_old_ones() -> None:
    parameters = inspect.signature(LocalPredictor.load_model_config).parameters.values()
    assert [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD][1:] == [
        *("model_path", "use_gpu", "gpu_id", "use_profile", "thread_num", "mem_optim", "ir_optim", "use_trt"),
        *("use_lite", "use_xpu", "precision", "use_mkldnn", "mkldnn_cache_capacity", "mkldnn_op_list"),
        *("mkldnn_bf16_op_list", "use_feed_fetch_ops", "use_ascend_cl", "min_subgraph_size", "dynamic_shape_info"),
        "use_calib",
    ]
    assert list(inspect.signature(LocalPredictor.predict).parameters)[1:] == ["feed", "fetch", "batch", "log_id"]
    assert Debugger is LocalPredictor


@pytest.mark.parametrize(
    ("value", "batch"),
    [
        (X, False),
        (X[None], True),
        (X[None], False),
        (X.tolist(), False),
        ([X.tolist()], True),
        ([X.tolist()], False),
        (X.tolist(), True),
        (X.astype(np.float64), False),
        (X.astype(">f8"), False),
        (list(X), False),
    ],
)
def test_tutorial(uci: LocalPredictor, value: object, batch: bool) -> None:
    found = uci.predict(feed={"x": value}, fetch=["price"], batch=batch)
    assert list(found) == ["price"]
    np.testing.assert_allclose(found["price"], [[models.UCI_PRICE]], rtol=1e-6)


def test_batch_of_lists(uci: LocalPredictor) -> None:
    found = uci.predict(feed={"x": [X.tolist()] * 3}, fetch=["price"], batch=True)
    np.testing.assert_allclose(found["price"], [[models.UCI_PRICE]] * 3, rtol=1e-6)


def test_list_of_feeds_is_a_batch(uci: LocalPredictor) -> None:
    found = uci.predict(feed=[{"x": X}, {"x": X * 0}], fetch=["price"])
    np.testing.assert_allclose(found["price"], [[models.UCI_PRICE], [float(models.UCI_B[0])]], rtol=1e-6)


class TestFetch:
    @pytest.mark.parametrize(
        ("fetch", "keys"),
        [
            (None, ["fc_0.tmp_1"]),
            ([], []),
            (["price"], ["price"]),
            (["fc_0.tmp_1"], ["fc_0.tmp_1"]),
            ("price", ["price"]),
            (("price",), ["price"]),
            (["anything"], ["anything"]),
            (["anything", "more"], ["anything"]),
            (["price", "anything"], ["price"]),
        ],
    )
    def test_names(self, uci: LocalPredictor, fetch: Any, keys: list[str]) -> None:
        assert list(uci.predict(feed={"x": X}, fetch=fetch)) == keys

    def test_several(self, multi: LocalPredictor) -> None:
        f, i64, i32 = np.ones((1, 3), np.float32), np.array([[3, 4]]), np.array([[5, 6]], np.int32)
        o1, o2, o3 = models.multi_answer(f, i64, i32)
        feed = {"f": f, "i64_real": i64, "i32": i32}
        by_alias = multi.predict(feed, ["o3", "o1"], batch=True)
        assert list(by_alias) == ["o3", "o1"]
        np.testing.assert_array_equal(by_alias["o3"], o3)
        np.testing.assert_array_equal(by_alias["o1"], o1)
        by_position = multi.predict(feed, ["a", "b", "c"], batch=True)
        for found, expected in zip(by_position.values(), (o1, o2, o3), strict=True):
            np.testing.assert_array_equal(found, np.asarray(expected))
        assert list(multi.predict(feed, None, batch=True)) == ["o1_real", "o2_real", "o3_real"]


class TestFeed:
    def test_is_not_changed(self, multi: LocalPredictor) -> None:
        feed = {"f": [1, 2, 3], "i64": np.array([3.0, 4.0]), "i32": [5, 6], "more": "ignored"}
        before = {name: value for name, value in feed.items()}
        first = multi.predict(feed, ["o2"])
        assert feed == before and all(feed[name] is before[name] for name in feed)
        np.testing.assert_array_equal(multi.predict(feed, ["o2"])["o2"], first["o2"])
        np.testing.assert_array_equal(first["o2"], [[4, 3]])

    @pytest.mark.parametrize(
        ("feed", "text"),
        [
            (None, "You should specify feed vars for prediction. log_id:7"),
            (3, "Feed only accepts dict and list of dict. log_id:7"),
            ("x", "Feed only accepts dict and list of dict. log_id:7"),
            ([1], "Feed only accepts dict and list of dict. log_id:7"),
            ([], "Feed only accepts dict and list of dict. log_id:7"),
            ({"x": ["a"] * 13}, "local predictor receives wrong data type"),
            ({"x": None}, "local predictor receives wrong data type"),
            ({"x": [[1], [2, 3]]}, "unequal rows"),
            ({}, "missing input 'x'"),
            ({"y": X}, "missing input 'x'"),
            ({"x": X[:12]}, "got float32"),
            ({"x": X, "x.lod": [0, 1]}, "takes no sequence offsets"),
        ],
    )
    def test_wrong(self, uci: LocalPredictor, feed: Any, text: str) -> None:
        with pytest.raises(ValueError) as caught:
            uci.predict(feed, ["price"], log_id=7)
        assert text in str(caught.value)
        np.testing.assert_allclose(uci.predict({"x": X}, ["price"])["price"], [[models.UCI_PRICE]], rtol=1e-6)

    def test_feeds_of_several_shapes(self, model_folder: Folder) -> None:
        predictor = loaded(model_folder("conv", "pdmodel"))
        images = [np.ones((3, 8, size), np.float32) for size in (8, 9)]
        with pytest.raises(BadInput, match="their shapes differ"):
            predictor.predict([{"image": image} for image in images])

    def test_nothing_loaded(self) -> None:
        with pytest.raises(ValueError, match="load_model_config"):
            LocalPredictor().predict({"x": X})


class TestLod:
    @pytest.mark.parametrize("offsets", [[0, 1, 3], [[0, 1, 3]], np.array([0, 1, 3]), np.array([[0, 1, 3]])])
    def test_in_and_out(self, model_folder: Folder, offsets: object) -> None:
        predictor = loaded(model_folder("lod", "pdmodel"))
        words = np.array([[11], [12], [13]])
        found = predictor.predict({"words": words, "words.lod": offsets}, ["crf"], batch=True)
        np.testing.assert_array_equal(found["crf"], models.lod_answer(words))
        np.testing.assert_array_equal(found["crf.lod"], np.array([0, 1, 3], np.int32))
        assert found["crf.lod"].dtype == np.int32
        assert list(predictor.predict({"words": words}, ["crf"], batch=True)) == ["crf"]

    @pytest.mark.parametrize("offsets", [3, None, ["a"], [1, 3], {}, [0, 9]])
    def test_wrong(self, model_folder: Folder, offsets: object) -> None:
        predictor = loaded(model_folder("lod", "pdmodel"))
        with pytest.raises(BadInput, match=r"words\.lod"):
            predictor.predict({"words": np.array([[1], [2], [3]]), "words.lod": offsets}, batch=True)

    def test_several_feeds(self, model_folder: Folder) -> None:
        predictor = loaded(model_folder("lod", "pdmodel"))
        feed = {"words": np.array([[1]]), "words.lod": [0, 1]}
        with pytest.raises(BadInput, match="one batch"):
            predictor.predict([feed, feed], batch=True)


class TestLoading:
    @pytest.mark.parametrize("device", ["use_lite", "use_xpu", "use_ascend_cl"])
    def test_devices_that_are_not_served(
        self, model_folder: Folder, device: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        loaded(model_folder("uci", "pdmodel"), **{device: True})
        assert f"LocalPredictor: {device} has no effect" in caplog.messages

    @pytest.mark.parametrize("gpu_id", [63, [63, 64], "63"])
    @pytest.mark.paddle2onnx
    def test_no_such_gpu(self, model_folder: Folder, gpu_id: Any) -> None:
        with pytest.raises(MissingLibrary, match="GPU 63"):
            loaded(model_folder("uci", "pdmodel"), use_gpu=True, gpu_id=gpu_id)

    def test_old_switches(self, model_folder: Folder) -> None:
        predictor = loaded(
            model_folder("uci", "pdmodel"),
            use_mkldnn=True,
            ir_optim=True,
            thread_num=4,
            precision="FP32",
            mem_optim=False,
        )
        assert predictor.feed_names_ == ["x"]
        assert predictor.fetch_names_ == ["price"]

    def test_what_has_no_effect_is_said_once(self, model_folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
        folder = model_folder("uci", "pdmodel")
        with caplog.at_level(logging.WARNING, "paddle_serving_app.local_predict"):
            loaded(folder, use_mkldnn=True, ir_optim=True, mem_optim=False, thread_num=2, mkldnn_cache_capacity=0)
            assert caplog.messages == []
            loaded(folder, use_profile=True, mkldnn_op_list=["fc"], dynamic_shape_info={}, min_subgraph_size=3)
            loaded(folder, use_calib=True, precision="fp8")
        assert caplog.messages == [
            "LocalPredictor: use_profile, mkldnn_op_list have no effect",
            "LocalPredictor: use_calib has no effect",
            "precision must be one of fp32, fp16, int8, bf16, got 'fp8'; the model is computed in fp32",
        ]

    def test_no_precision(self, model_folder: Folder) -> None:
        assert loaded(model_folder("uci", "pdmodel"), precision=None).predict({"x": X})

    @pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
    @pytest.mark.paddle2onnx
    def test_backend(self, model_folder: Folder, backend: str) -> None:
        predictor = loaded(model_folder("uci", "onnx"), backend=backend)
        np.testing.assert_allclose(predictor.predict({"x": X}, ["price"])["price"], [[models.UCI_PRICE]], rtol=1e-6)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BadModel):
            loaded(tmp_path / "nowhere")


class TestPlans:
    """What was measured for the folder is followed."""

    @pytest.fixture
    def folder(self, model_folder: Folder, tmp_path: Path) -> Path:
        return shutil.copytree(
            model_folder("uci", "pdmodel"), tmp_path / "uci", ignore=shutil.ignore_patterns(".cache")
        )

    @pytest.mark.parametrize("measured_for", [0, 1])
    def test_of_a_server_or_for_as_many_threads(self, folder: Path, measured_for: int) -> None:
        plan = Plan(candidate=Candidate("openvino", onednn=False, threads=2), why="it was made for this test")
        kept_plans.write(folder, kept_plans.key_of(folder, ModelOptions(threads=measured_for)), plan)
        predictor = loaded(folder)
        assert predictor._model is not None and predictor._model.backend_name == "openvino"
        assert predictor._model.plan.candidate.threads == 1  # as the caller of LocalPredictor asked
        np.testing.assert_allclose(predictor.predict({"x": X}, ["price"])["price"], [[models.UCI_PRICE]], rtol=1e-5)

    def test_not_where_a_library_is_asked_for(self, folder: Path) -> None:
        plan = Plan(candidate=Candidate("openvino", onednn=False, threads=1), why="it was made for this test")
        kept_plans.write(folder, kept_plans.key_of(folder, ModelOptions()), plan)
        predictor = loaded(folder, backend="paddle")
        assert predictor._model is not None and predictor._model.backend_name == "paddle"

    def test_nothing_is_measured_unless_it_is_asked_for(self, folder: Path) -> None:
        predictor = loaded(folder)
        assert predictor._model is not None and predictor._model.plan.table == ()
        assert not list(folder.glob(".cache/plan-*"))
        predictor = loaded(folder, tune_s=1.0)
        assert predictor._model is not None and predictor._model.plan.table != ()
        assert list(folder.glob(".cache/plan-*"))
