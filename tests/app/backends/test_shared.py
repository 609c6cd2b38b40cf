"""One suite for every inference library: same answers, same refusals, and nothing left behind for the next caller."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_serving_app import backends
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged
from paddle_serving_client import manifest, plugins
from paddle_serving_client.errors import BackendFailed, BadInput, BadModel, MissingLibrary
from paddle_serving_client.message import Array
from tests import models
from tests.app.conftest import Folder

NAMES = plugins.names(backends)
FORM = {"onnxruntime": "onnx"}
"""The form that a library reads itself, where that is not "pdmodel"."""
RANDOM = np.random.default_rng(1)


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each library that is installed."""
    found: str = request.param
    if (reason := plugins.load(backends, found).missing()) is not None:
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def uci(name: str, model_folder: Folder) -> Iterator[Model]:
    """The linear model, loaded."""
    yield from _loaded(name, "uci", model_folder)


@pytest.fixture(scope="module")
def conv(name: str, model_folder: Folder) -> Iterator[Model]:
    """The convolution, loaded: every dimension but the channels is open."""
    yield from _loaded(name, "conv", model_folder)


@pytest.fixture(scope="module")
def multi(name: str, model_folder: Folder) -> Iterator[Model]:
    """Three inputs and outputs of three types, loaded."""
    yield from _loaded(name, "multi", model_folder)


def _loaded(name: str, model: str, model_folder: Folder) -> Iterator[Model]:
    loaded = load(model_folder(model, FORM.get(name, "pdmodel")), name)
    yield loaded
    loaded.close()


def load(folder: Path, name: str, gpu_id: int | None = None) -> Model:
    return Model.load(folder, ModelOptions(backend=name, gpu_id=gpu_id, threads=2))


def answer(model: Model, **feed: Array) -> list[Array]:
    return list(model.run(model.signature.arrange(feed)).arrays)


def image(rows: int = 1, height: int = 32, width: int = 32, channels: int = 3) -> Array:
    return RANDOM.random((rows, channels, height, width), dtype=np.float32)


class TestAnswers:
    def test_tutorial(self, uci: Model) -> None:
        (price,) = answer(uci, x=models.UCI_INPUT[None])
        assert price.dtype == np.float32
        np.testing.assert_allclose(price, [[models.UCI_PRICE]], rtol=1e-6)

    @pytest.mark.parametrize("rows", [1, 2, 7, 64, 1])
    def test_linear(self, uci: Model, rows: int) -> None:
        x = RANDOM.standard_normal((rows, 13)).astype(np.float32)
        (price,) = answer(uci, x=x)
        np.testing.assert_allclose(price, models.uci_answer(x), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("shape", [(1, 32, 32), (3, 9, 40), (2, 64, 17), (1, 3, 3), (1, 32, 32)])
    def test_open_height_and_width(self, conv: Model, shape: tuple[int, int, int]) -> None:
        x = image(*shape)
        (prob,) = answer(conv, image=x)
        np.testing.assert_allclose(prob, models.conv_answer(x), atol=1e-6)

    @pytest.mark.parametrize("rows", [1, 3])
    def test_types_and_order(self, multi: Model, rows: int) -> None:
        f = RANDOM.standard_normal((rows, 3)).astype(np.float32)
        i64 = RANDOM.integers(-1000, 1000, (rows, 2))
        i32 = RANDOM.integers(-1000, 1000, (rows, 2), dtype=np.int32)
        outputs = answer(multi, i32=i32, f=f, i64_real=i64)
        answers: list[Array] = [*models.multi_answer(f, i64, i32)]
        for output, expected in zip(outputs, answers, strict=True):
            assert output.dtype == expected.dtype
            np.testing.assert_allclose(output, expected, rtol=1e-6)

    def test_signature(self, multi: Model, conv: Model) -> None:
        assert [i.shape for i in multi.signature.inputs] == [(-1, 3), (-1, 2), (-1, 2)]
        assert [(o.alias, o.elem_type) for o in multi.signature.outputs] == [("o1", 1), ("o2", 0), ("o3", 2)]
        assert conv.signature.inputs[0].shape == (-1, 3, -1, -1)
        assert conv.signature.can_join

    def test_half_and_byte(self, name: str, model_folder: Folder) -> None:
        model = load(model_folder("f16", FORM.get(name, "pdmodel")), name)
        h, i8 = np.array([[1.5, -2]], np.float16), np.array([[-1, 5]], np.int8)
        np.testing.assert_array_equal(answer(model, h=h, i8=i8)[0], models.f16_answer(h, i8))
        model.close()

    def test_large_int64(self, multi: Model, name: str) -> None:
        feed = {"f": np.ones((1, 3), np.float32), "i64": np.array([[3, 1 << 40]]), "i32": np.ones((1, 2), np.int32)}
        if name == "openvino":  # it computes in 32 bits
            with pytest.raises(BackendFailed, match="32 bits"):
                answer(multi, **feed)
        else:
            np.testing.assert_array_equal(answer(multi, **feed)[1], [[1 << 40, 3]])


class TestNothingIsLeftBehind:
    def test_outputs_stay_valid(self, conv: Model) -> None:
        first = image()
        (kept,) = answer(conv, image=first)
        for k in range(5):
            answer(conv, image=image(k + 1, 16 + k, 40))
        np.testing.assert_allclose(kept, models.conv_answer(first), atol=1e-6)
        kept += 1  # it is the caller's own
        np.testing.assert_allclose(answer(conv, image=first)[0], models.conv_answer(first), atol=1e-6)

    def test_input_is_not_modified(self, conv: Model) -> None:
        x = image()
        before = x.copy()
        answer(conv, image=x)
        np.testing.assert_array_equal(x, before)

    def test_read_only_input(self, conv: Model) -> None:
        x = image()
        x.flags.writeable = False
        np.testing.assert_allclose(answer(conv, image=x)[0], models.conv_answer(x), atol=1e-6)

    def test_later_change_of_the_input(self, uci: Model) -> None:
        x = models.UCI_INPUT[None].copy()
        answer(uci, x=x)
        x += 1
        np.testing.assert_allclose(answer(uci, x=models.UCI_INPUT[None])[0], [[models.UCI_PRICE]], rtol=1e-6)

    @pytest.mark.parametrize(
        "spelling",
        [
            lambda x: x.astype(">f4"),
            np.asfortranarray,
            lambda x: np.repeat(x, 2, axis=0)[::2],
            lambda x: x[:, ::-1].copy()[:, ::-1],
            lambda x: x.reshape(1, 1, 13),
        ],
        ids=["big-endian", "fortran", "strided", "reversed", "extra axis"],
    )
    def test_spellings_of_one_array(self, uci: Model, spelling: object) -> None:
        assert callable(spelling)
        (price,) = answer(uci, x=spelling(models.UCI_INPUT[None]))
        np.testing.assert_allclose(price, [[models.UCI_PRICE]], rtol=1e-6)

    @pytest.mark.parametrize(
        "bad",
        [
            {"image": image()[0].transpose(1, 2, 0)},
            {"image": image()[0]},
            {"image": image().transpose(0, 2, 3, 1)},
            {"image": image(channels=1)},
            {"image": image(channels=4)},
            {"image": image().astype(np.float64)},
            {"image": image()[:0]},
            {"image": image()[:, :, :0]},
            {"image": np.array(1, np.float32)},
            {},
            {"picture": image()},
            {"image": image(), "picture": image()},
        ],
        ids=lambda feed: ",".join(f"{k} {v.dtype}{list(v.shape)}" for k, v in feed.items()) or "nothing",
    )
    def test_bad_request_between_good_ones(self, conv: Model, bad: dict[str, Array]) -> None:
        x = image()
        answer(conv, image=x)
        with pytest.raises(BadInput):
            answer(conv, **bad)
        np.testing.assert_allclose(answer(conv, image=x)[0], models.conv_answer(x), atol=1e-6)

    @pytest.mark.parametrize(
        "bad", [image()[0].transpose(1, 2, 0), image().transpose(0, 2, 3, 1), image(channels=1), image()[0]]
    )
    def test_wrong_shape_past_the_check(self, conv: Model, bad: Array) -> None:
        x, first = image(2), image()
        answer(conv, image=first)
        with pytest.raises(BackendFailed) as caught:
            conv.run(Arranged((np.ascontiguousarray(bad),), {}))
        assert "\n" not in str(caught.value) and "0x0" not in str(caught.value)
        np.testing.assert_allclose(answer(conv, image=x)[0], models.conv_answer(x), atol=1e-6)

    def test_wrong_count_past_the_check(self, multi: Model) -> None:
        with pytest.raises(IndexError):
            multi.run(Arranged((np.ones((1, 3), np.float32),), {}))

    @settings(
        max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
    )
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.integers(1, 3), st.integers(3, 24), st.integers(3, 24)),
                st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 24)),  # smaller than the kernel
                st.sampled_from(["rank", "missing", "type", "channels"]),
            ),
            min_size=2,
            max_size=8,
        )
    )
    def test_any_order_of_good_and_bad(self, conv: Model, requests: list[tuple[int, int, int] | str]) -> None:
        wrong: dict[str, dict[str, Array]] = {
            "rank": {"image": image()[0]},
            "missing": {},
            "type": {"image": image().astype(np.int64)},
            "channels": {"image": image(channels=2)},
        }
        for request in [*requests, (1, 8, 8)]:
            if isinstance(request, str):
                with pytest.raises(BadInput):
                    answer(conv, **wrong[request])
                continue
            x = image(*request)
            if min(request[1:]) < 3:
                try:
                    answer(conv, image=x)  # the mean of nothing; what it is, or whether it fails, is the library's
                except BackendFailed:
                    continue
            else:
                np.testing.assert_allclose(answer(conv, image=x)[0], models.conv_answer(x), atol=1e-6)

    def test_many_threads(self, conv: Model) -> None:
        inputs = [image(1 + k % 3, 8 + k, 8) for k in range(12)]
        wrong = []

        def work(mine: list[Array]) -> None:
            for x in mine:
                if not np.allclose(answer(conv, image=x)[0], models.conv_answer(x), atol=1e-6):
                    wrong.append(x.shape)

        threads = [threading.Thread(target=work, args=(inputs[k:] + inputs[:k],)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_two_models_at_once(self, name: str, uci: Model, conv: Model) -> None:
        x = image()
        for _ in range(3):
            np.testing.assert_allclose(answer(uci, x=models.UCI_INPUT[None])[0], [[models.UCI_PRICE]], rtol=1e-6)
            np.testing.assert_allclose(answer(conv, image=x)[0], models.conv_answer(x), atol=1e-6)

    def test_closed(self, name: str, model_folder: Folder) -> None:
        model = load(model_folder("uci", FORM.get(name, "pdmodel")), name)
        model.close()
        model.close()
        with pytest.raises(BackendFailed, match="closed"):
            answer(model, x=models.UCI_INPUT[None])


class TestDamage:
    @pytest.fixture
    def folder(self, name: str, form: str, model_folder: Folder, tmp_path: Path) -> Path:
        return shutil.copytree(model_folder("conv", form), tmp_path / "model", ignore=shutil.ignore_patterns(".cache"))

    @pytest.mark.parametrize(
        ("form", "params"),
        [
            ("pdmodel", "model.pdiparams"),
            ("json", "inference.pdiparams"),
            ("legacy", "__params__"),
            ("separate", "conv2d_0.w_0"),
        ],
    )
    def test_parameters(self, name: str, folder: Path, params: str) -> None:
        path = folder / params
        whole = path.read_bytes()
        damaged = [
            whole[: len(whole) // 2],
            whole[:-1],
            b"",
            b"garbage" * 20,
            whole + b"junk",
            whole[:20] + b"\xff" * 9,
        ]
        for content in damaged:
            path.write_bytes(content)
            with pytest.raises(BadModel, match="cannot be loaded"):
                load(folder, name)
        path.unlink()
        with pytest.raises(BadModel, match=r"pdiparams|__params__|no file for"):
            load(folder, name)
        path.write_bytes(whole)

    @pytest.mark.parametrize(
        ("form", "program"),
        [("pdmodel", "model.pdmodel"), ("json", "inference.json"), ("legacy", "__model__"), ("onnx", "model.onnx")],
    )
    def test_program(self, name: str, folder: Path, program: str) -> None:
        path = folder / program
        whole = path.read_bytes()
        for content in (whole[: len(whole) // 2], b"", b"{}", b"\x00" * 64, b"\x0a\x00", b"<html>", whole[1:]):
            path.write_bytes(content)
            with pytest.raises(BadModel) as caught:
                load(folder, name)
            assert "\n" not in str(caught.value)
        path.unlink()
        with pytest.raises(BadModel, match=r"holds no"):
            load(folder, name)

    @pytest.mark.parametrize("form", ["pdmodel"])
    def test_parameters_of_another_model(self, name: str, folder: Path, model_folder: Folder) -> None:
        shutil.copy(model_folder("uci", "pdmodel") / "model.pdiparams", folder / "model.pdiparams")
        with pytest.raises(BadModel, match="another model"):
            load(folder, name)

    @pytest.mark.parametrize("form", ["pdmodel"])
    def test_one_flipped_bit(self, name: str, folder: Path) -> None:
        manifest.write(folder, ["model.pdmodel", "model.pdiparams"])
        path = folder / "model.pdiparams"
        damaged = bytearray(path.read_bytes())
        damaged[-1] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(BadModel, match="damaged or exchanged"):
            load(folder, name)


@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_memory_is_bounded_over_many_shapes(name: str, form: str, model_folder: Folder) -> None:
    psutil = pytest.importorskip("psutil")
    model = load(model_folder("conv", form), name)
    process = psutil.Process()
    sizes = [(1, 3, int(h), int(w)) for h, w in np.random.default_rng(3).integers(8, 400, (400, 2))]
    for shape in sizes[:200]:
        answer(model, image=np.zeros(shape, np.float32))
    before = process.memory_info().rss
    for shape in sizes[200:]:
        answer(model, image=np.zeros(shape, np.float32))
    assert process.memory_info().rss - before < 32 << 20
    model.close()


def test_no_such_gpu(name: str, model_folder: Folder) -> None:
    with pytest.raises(MissingLibrary, match="GPU 63"):
        load(model_folder("uci", FORM.get(name, "pdmodel")), name, gpu_id=63)


@pytest.mark.parametrize("form", ["json", "separate"])
def test_other_forms(name: str, form: str, model_folder: Folder) -> None:
    model = load(model_folder("uci", form), name)
    np.testing.assert_allclose(answer(model, x=models.UCI_INPUT[None])[0], [[models.UCI_PRICE]], rtol=1e-6)
    model.close()


def test_missing_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = plugins.load(backends, name)
    assert plugin.missing() is None
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    assert "pip install" in plugin.missing()
