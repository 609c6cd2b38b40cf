"""What is particular about Paddle: oneDNN that comes and goes, LoD, every form of folder, and its manners at import."""

import logging
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions, Outputs
from paddle_serving_app.backends import paddle as plugin
from paddle_serving_app.model import Model
from paddle_serving_client import model_config
from paddle_serving_client.errors import BackendFailed, BadModel, MissingLibrary
from paddle_serving_client.message import Array, Lod
from tests import models
from tests.app.conftest import Folder

PLUGIN = "paddle_serving_app.backends.paddle"
OPTIONS = ModelOptions(backend="paddle", threads=2)


def load(folder: Path, options: ModelOptions = OPTIONS) -> Any:
    return plugin.load(folder, model_config.read(folder), options)


@pytest.mark.parametrize("form", ["pdmodel", "json", "legacy", "separate"])
@pytest.mark.parametrize("name", ["uci", "conv", "f16"])
def test_every_form(name: str, form: str, model_folder: Folder) -> None:
    model = Model.load(model_folder(name, form), OPTIONS)
    arranged = model.sample(rows=3, seed=5)
    assert arranged is not None
    expected = getattr(models, f"{name}_answer")(*arranged.arrays)
    np.testing.assert_allclose(model.run(arranged).arrays[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("program", "params"), [("model", "params"), ("uci__model__", "__params__")])
def test_names_of_old_servers(program: str, params: str, model_folder: Folder, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "uci")
    (folder / "model.pdmodel").rename(folder / program)
    (folder / "model.pdiparams").rename(folder / params)
    assert load(folder).inputs[0].shape == (-1, 13)


def test_separate_parameters_beside_a_program_of_another_name(model_folder: Folder, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder("uci", "separate"), tmp_path / "uci")
    (folder / "__model__").rename(folder / "linear.pdmodel")
    outputs = load(folder).run([models.UCI_INPUT[None]], {})
    np.testing.assert_allclose(outputs.arrays[0], [[models.UCI_PRICE]], rtol=1e-6)


def test_encrypted_folder_is_refused(model_folder: Folder, tmp_path: Path) -> None:
    for name in ("encrypt_model", "encrypt_params", "key"):
        (tmp_path / name).write_bytes(b"\x0a")
    reason = plugin.refuses(tmp_path, model_config.read(model_folder("uci", "pdmodel")))
    assert reason is not None and "encrypted" in reason


class TestLod:
    @pytest.mark.parametrize("form", ["pdmodel", "json", "legacy"])
    def test_in_and_out(self, form: str, model_folder: Folder) -> None:
        model = Model.load(model_folder("lod", form), OPTIONS)
        words = np.array([[11], [12], [13]])
        outputs = model.run(model.signature.arrange({"words": words}, {"words": ((0, 1, 3),)}))
        np.testing.assert_array_equal(outputs.arrays[0], models.lod_answer(words))
        assert outputs.lods == {0: ((0, 1, 3),)}

    def test_offsets_do_not_stay(self, model_folder: Folder) -> None:
        model = Model.load(model_folder("lod", "pdmodel"), OPTIONS)
        words = np.array([[11], [12], [13]])
        model.run(model.signature.arrange({"words": words}, {"words": ((0, 1, 3),)}))
        assert model.run(model.signature.arrange({"words": words[:2]})).lods == {}

    def test_two_levels(self, model_folder: Folder) -> None:
        model = Model.load(model_folder("lod", "pdmodel"), OPTIONS)
        lod: Lod = ((0, 1, 2), (0, 2, 3))
        outputs = model.run(model.signature.arrange({"words": np.array([[1], [2], [3]])}, {"words": lod}))
        assert outputs.lods == {0: lod}


class TestOneDnn:
    def test_missing_operator(self, model_folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
        folder = model_folder("upsample", "json")
        model = Model.load(folder, OPTIONS)
        x = np.random.default_rng(0).random((2, 2, 3, 5), dtype=np.float32)
        for _ in range(3):
            outputs = model.run(model.signature.arrange({"image": x}))
            np.testing.assert_array_equal(outputs.arrays[0], models.upsample_answer(x))
        warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert len(warnings) <= 1  # none with a Paddle that has the operator
        assert all("without oneDNN" in text and "\n" not in text for text in warnings)

    def test_failure_at_load(
        self, model_folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        plain = plugin.PaddleBackend._make

        def make(self: plugin.PaddleBackend, onednn: bool) -> Any:
            if onednn:
                raise RuntimeError("(NotFound) no kernel\n  [Hint: at 0x7f00deadbeef]")
            return plain(self, onednn)

        monkeypatch.setattr(plugin.PaddleBackend, "_make", make)
        backend = load(model_folder("uci", "pdmodel"))
        np.testing.assert_allclose(backend.run([models.UCI_INPUT[None]], {}).arrays[0], [[models.UCI_PRICE]], rtol=1e-6)
        assert [r.getMessage().partition(" goes ")[2] for r in caplog.records if r.name == PLUGIN] == [
            "on without oneDNN: (NotFound) no kernel [Hint: at 0x...]"
        ]

    def test_failure_at_a_later_run(
        self, model_folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        backend = load(model_folder("conv", "pdmodel"))
        fast = backend._predictor
        sound = fast.run

        def run(arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
            if arrays[0].shape[-1] == 7:
                raise RuntimeError("could not execute a primitive")
            found: Outputs = sound(arrays, lods)
            return found

        monkeypatch.setattr(fast, "run", run)
        for width in (8, 7, 8, 7):
            x = np.random.default_rng(width).random((1, 3, 8, width), dtype=np.float32)
            np.testing.assert_allclose(backend.run([x], {}).arrays[0], models.conv_answer(x), atol=1e-6)
        assert len([r for r in caplog.records if r.name == PLUGIN]) == 1
        assert backend._predictor is not fast

    def test_bad_input_does_not_cost_onednn(self, model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        backend = load(model_folder("conv", "pdmodel"))
        fast, made = backend._predictor, list[bool]()
        plain = plugin.PaddleBackend._make

        def make(self: plugin.PaddleBackend, onednn: bool) -> Any:
            made.append(onednn)
            return plain(self, onednn)

        monkeypatch.setattr(plugin.PaddleBackend, "_make", make)
        for channels in (4, 5, 6, 4):
            with pytest.raises(BackendFailed, match="channels"):
                backend.run([np.ones((1, channels, 8, 8), np.float32)], {})
        assert backend._predictor is fast
        assert made == [False]  # a second predictor was made once, to find out

    def test_off_when_asked(self, model_folder: Folder) -> None:
        backend = load(model_folder("uci", "json"), ModelOptions(onednn=False))
        np.testing.assert_allclose(backend.run([models.UCI_INPUT[None]], {}).arrays[0], [[models.UCI_PRICE]], rtol=1e-6)


class TestDevice:
    def test_without_cuda(self, model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        import paddle

        monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: False)
        with pytest.raises(MissingLibrary, match=r"without CUDA.*requirements-gpu\.txt"):
            load(model_folder("uci", "pdmodel"), ModelOptions(gpu_id=0))

    def test_number_too_high(self, model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        import paddle

        monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: True)
        monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 2)
        with pytest.raises(MissingLibrary, match="GPU 2 was asked for, but Paddle sees 2"):
            load(model_folder("uci", "pdmodel"), ModelOptions(gpu_id=2))


def test_library_refuses_the_program(model_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(self: plugin.PaddleBackend, onednn: bool) -> Any:
        raise RuntimeError("(Unimplemented) operator\nno_such_op")

    monkeypatch.setattr(plugin.PaddleBackend, "_make", make)
    with pytest.raises(BadModel, match=r"Paddle: \(Unimplemented\) operator no_such_op$"):
        load(model_folder("uci", "pdmodel"))


_SCRIPT = """
import logging, os, signal, sys, time, warnings
warnings.simplefilter("error")
signal.signal(signal.SIGTERM, lambda *_: print("ours", flush=True))
from paddle_serving_app.model import Model
from paddle_serving_app.backend import ModelOptions
Model.load(sys.argv[1], ModelOptions(backend="paddle"))
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.1)
print(logging.getLogger().handlers, logging.getLogger().level, flush=True)
"""


def test_import_leaves_the_process_as_it_was(model_folder: Folder) -> None:
    command = [sys.executable, "-c", _SCRIPT, str(model_folder("uci", "json"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-2:] == ["ours", "[] 30"], done.stderr
    assert done.returncode == 0
