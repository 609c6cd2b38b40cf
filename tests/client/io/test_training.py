"""Saving at the end of training: static programs and layers, as Paddle 3 saves them and in its old form.

Which form Paddle uses is decided when it is imported (changing it later makes Paddle crash now and then), so the last
test runs all others once more in a process of its own.
"""

import contextlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import io, manifest, model_config
from paddle_serving_client.errors import BadConfig, BadModel, ServingError
from tests import models
from tests.client.io import trained
from tests.models import quiet_paddle

OLD_FORM = {"FLAGS_enable_pir_api": "0"}
IS_OLD = OLD_FORM.items() <= os.environ.items()
PROGRAM = "model.pdmodel" if IS_OLD else "model.json"
pytestmark = pytest.mark.filterwarnings("ignore")


@contextlib.contextmanager
def static_uci() -> Iterator[tuple[Any, Any, Any, Any]]:
    """uci_housing in memory: the program with a loss after it, x, the price, twice the price."""
    with quiet_paddle() as paddle, contextlib.ExitStack() as stack:
        main, startup = paddle.static.Program(), paddle.static.Program()
        stack.enter_context(paddle.static.scope_guard(paddle.static.Scope()))
        stack.enter_context(paddle.static.program_guard(main, startup))
        stack.enter_context(paddle.base.unique_name.guard())

        def weight(name: str, value: Any) -> Any:
            attr = paddle.ParamAttr(name=name, initializer=paddle.nn.initializer.Assign(value))
            return paddle.create_parameter(list(value.shape), "float32", attr=attr)

        x = paddle.static.data("x", [-1, 13], "float32")
        label = paddle.static.data("label", [-1, 1], "float32")
        price = paddle.nn.functional.linear(x, weight("w", models.UCI_W[:, None]), weight("b", models.UCI_B))
        paddle.mean(price - label)
        paddle.static.Executor(paddle.CPUPlace()).run(startup)
        yield main, x, price, paddle.scale(price, 2.0)


def test_static_program(tmp_path: Path) -> None:
    with static_uci() as (main, x, price, double):
        io.save_model(tmp_path / "s", tmp_path / "c", {"house": x}, {"price": price, "double": double}, main)
    assert manifest.verify(tmp_path / "s").files == (PROGRAM, "params.pdiparams")
    spec = model_config.read(tmp_path / "s")
    assert [(feed.name, feed.alias, feed.shape) for feed in spec.feeds] == [("x", "house", (13,))]
    assert [(fetch.alias, fetch.shape) for fetch in spec.fetches] == [("double", (1,)), ("price", (1,))]
    answers = trained.answers(tmp_path / "s", {"x": models.UCI_INPUT[None]})
    assert answers[spec.fetches[1].name].item() == pytest.approx(models.UCI_PRICE, abs=1e-5)
    assert answers[spec.fetches[0].name].item() == pytest.approx(2 * models.UCI_PRICE, abs=1e-5)


def test_default_program_and_given_names(tmp_path: Path) -> None:
    with static_uci() as (_, x, price, _):
        io.save_model(
            tmp_path / "s",
            tmp_path / "c",
            {"x": x},
            {"y": price},
            model_filename="served.pdmodel",
            params_filename="served.pdiparams",
            fetch_alias_names="price",
        )
    program = "served.pdmodel" if IS_OLD else "served.json"
    assert set(manifest.verify(tmp_path / "s").files) == {program, "served.pdiparams"}
    assert model_config.read(tmp_path / "s").fetches[0].alias == "price"


def test_static_program_refusals(tmp_path: Path) -> None:
    with static_uci() as (main, x, price, _):
        with pytest.raises(ServingError, match="need input 'x', which feed_var_dict does not name|has no input"):
            io.save_model(tmp_path / "s", tmp_path / "c", {}, {"price": price}, main)
        with pytest.raises(BadModel, match="Paddle cannot save this program"):
            io.save_model(tmp_path / "s", tmp_path / "c", {"x": 3}, {"price": price}, main)
        with pytest.raises(BadModel, match="Paddle cannot save this program"):
            io.save_model(tmp_path / "s", tmp_path / "c", {"x": x}, {}, main)
        with pytest.raises(BadConfig, match="encrypt_conf must be None, got 'aes.conf'"):
            variables = {"x": x}, {"price": price}
            io.save_model(tmp_path / "s", tmp_path / "c", *variables, main, encryption=True, encrypt_conf="aes.conf")
    assert list(tmp_path.iterdir()) == []


def test_one_variable_under_two_names(tmp_path: Path) -> None:
    refused = pytest.raises(BadConfig, match="some are the same variable") if IS_OLD else contextlib.nullcontext()
    with static_uci() as (main, x, price, _), refused:
        io.save_model(tmp_path / "s", tmp_path / "c", {"x": x}, {"a": price, "b": price}, main)


def test_show_proto_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with static_uci() as (main, x, price, _):
        io.save_model(tmp_path / "s", tmp_path / "c", {"x": x}, {"price": price}, main, show_proto=True)
    assert 'alias_name: "price"' in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def layers() -> Iterator[tuple[Any, Any]]:
    """A layer with dropout, two inputs and three outputs: y (N, 2), ids + 1, ids * 2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import paddle

        class Net(paddle.nn.Layer):  # type: ignore[misc,unused-ignore]
            def __init__(self) -> None:
                super().__init__()
                self.linear = paddle.nn.Linear(3, 2)
                self.dropout = paddle.nn.Dropout(0.5)

            def forward(self, x: Any, ids: Any) -> Any:
                return self.linear(self.dropout(x)), paddle.add(ids, ids) - ids + 1, paddle.add(ids, ids)

        yield paddle, Net()


def specs(paddle: Any) -> dict[str, Any]:
    spec = paddle.static.InputSpec
    return {"x": spec([None, 3], "float32"), "ids": spec([None, 1], "int64", name="real_ids")}


def test_layer(tmp_path: Path) -> None:
    x, ids = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([[3], [5]], np.int64)
    with layers() as (paddle, layer):
        layer.dropout.eval()
        io.save_model(tmp_path / "s", tmp_path / "c", specs(paddle), {"y": None, "more": None, "double": None}, layer)
        assert (layer.training, layer.linear.training, layer.dropout.training) == (True, True, False)
        expected = x @ layer.linear.weight.numpy() + layer.linear.bias.numpy()
    spec = model_config.read(tmp_path / "s")
    assert [(feed.name, feed.alias) for feed in spec.feeds] == [("x", "x"), ("real_ids", "ids")]
    assert [fetch.alias for fetch in spec.fetches] == ["double", "more", "y"]
    answers = trained.answers(tmp_path / "s", {"x": x, "real_ids": ids})
    got = {fetch.alias: answers[fetch.name] for fetch in spec.fetches}
    np.testing.assert_allclose(got["y"], expected, atol=1e-6)
    np.testing.assert_array_equal(got["more"], ids + 1)
    np.testing.assert_array_equal(got["double"], ids * 2)


def test_layer_with_some_of_its_outputs(tmp_path: Path) -> None:
    refused = pytest.raises(BadConfig, match="2 of 3 outputs; Paddle's old") if IS_OLD else contextlib.nullcontext()
    with layers() as (paddle, layer), refused:
        io.save_model(tmp_path / "s", tmp_path / "c", specs(paddle), {"double": 2, "y": 0}, layer)
        assert [(fetch.alias, fetch.name, fetch.elem_type) for fetch in model_config.read(tmp_path / "s").fetches] == [
            ("double", "fetch_name_1", 0),
            ("y", "fetch_name_0", 1),
        ]


@pytest.mark.parametrize("fetches", [{"a": 0, "b": 0, "c": 1}, {"a": 3}, {"a": -1}, dict.fromkeys("abcd")])
def test_layer_with_wrong_positions(tmp_path: Path, fetches: dict[str, Any]) -> None:
    with layers() as (paddle, layer), pytest.raises(BadConfig, match="but the layer has 3 outputs, each for one alias"):
        io.save_model(tmp_path / "s", tmp_path / "c", specs(paddle), fetches, layer)
    assert list(tmp_path.iterdir()) == []


def test_layer_with_an_example_tensor(tmp_path: Path) -> None:
    with layers() as (paddle, _):
        layer = paddle.nn.Linear(3, 2)
        io.save_model(tmp_path / "s", tmp_path / "c", {"x": paddle.ones([1, 3])}, {"y": None}, layer)
    assert model_config.read(tmp_path / "s").feeds[0].shape == (1, 3)


@pytest.mark.skipif(IS_OLD, reason="Paddle 3 cannot save it in the old form")
def test_layer_with_control_flow_and_state_that_is_not_saved(tmp_path: Path) -> None:
    with layers() as (paddle, _):
        base: Any = paddle.nn.Layer

        class Loop(base):  # type: ignore[misc,unused-ignore]
            def __init__(self) -> None:
                super().__init__()
                self.lstm = paddle.nn.LSTM(3, 2, num_layers=2)

            def forward(self, x: Any) -> Any:
                y, _ = self.lstm(x)
                count = paddle.zeros([1], "int64")
                while count < 3:
                    y, count = y + 1, count + 1
                return y

        layer, x = Loop(), np.ones((2, 4, 3), np.float32)
        layer.eval()
        expected = layer(paddle.to_tensor(x)).numpy()
        spec = {"x": paddle.static.InputSpec([None, 4, 3], "float32")}
        io.save_model(tmp_path / "s", tmp_path / "c", spec, {"y": None}, layer)
    (answer,) = trained.answers(tmp_path / "s", {"x": x}).values()
    np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_layer_that_paddle_cannot_trace(tmp_path: Path) -> None:
    with layers() as (paddle, layer):
        wrong = specs(paddle) | {"x": paddle.static.InputSpec([None, 7], "float32")}
        with pytest.raises(BadModel, match="Paddle cannot save this layer"):
            io.save_model(tmp_path / "s", tmp_path / "c", wrong, {"y": 0}, layer)
        with pytest.raises(BadModel, match="Paddle cannot save this layer"):
            io.save_model(tmp_path / "s", tmp_path / "c", {"x": 3}, {"y": 0}, layer)
        assert layer.training
    assert list(tmp_path.iterdir()) == []


def test_save_dygraph_model(tmp_path: Path) -> None:
    with layers() as (paddle, _):
        layer = paddle.nn.Linear(3, 2)
        spec = [paddle.static.InputSpec([None, 3], "float32", "x")]
        io.save_dygraph_model(tmp_path / "given", tmp_path / "c1", layer, input_spec=spec)
        io.save_dygraph_model(tmp_path / "told", tmp_path / "c2", paddle.jit.to_static(layer, input_spec=spec))
    for server in ("given", "told"):
        read = model_config.read(tmp_path / server)
        assert [(feed.alias, feed.shape) for feed in read.feeds] == [("x", (3,))]
        assert [(fetch.alias, fetch.shape) for fetch in read.fetches] == [(read.fetches[0].name, (2,))]
        assert manifest.verify(tmp_path / server).is_verified


def test_the_current_folder_is_neither_changed_nor_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with layers() as (paddle, layer):
        io.save_model("../a/s", "../a/c", specs(paddle), {"y": None, "more": None, "double": None}, layer)
    assert Path.cwd() == tmp_path / "work" and list(Path.cwd().iterdir()) == []


@pytest.mark.skipif(IS_OLD, reason="this is that process")
def test_all_of_it_in_the_old_form() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], env=os.environ | OLD_FORM, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:]
