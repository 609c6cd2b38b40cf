"""A golden sample is read whole or refused, and decides which library may run a model."""

import shutil
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from paddle_serving_app import golden
from paddle_serving_app.backend import ModelOptions, Outputs
from paddle_serving_app.choosing import kept_plans
from paddle_serving_app.golden import Golden
from paddle_serving_app.local_predict import LocalPredictor
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadModel
from paddle_serving_client.message import Array
from tests import models
from tests.app.conftest import Folder

X = np.stack([models.UCI_INPUT, models.UCI_INPUT * 2])


def saved(file: Path, *, off: float = 0.0, **more: Any) -> Path:
    """The golden sample of the uci model; its second price is off by so much."""
    price = models.uci_answer(X)
    price[1, 0] += off
    np.savez(file, allow_pickle=False, **{"input.x": X, "output.price": price, **more})
    return file


def test_there_and_back(tmp_path: Path) -> None:
    lods = {"words": ((0, 2), (0, 1, 3))}
    kinds = ("f4", "f8", "f2", "i8", "i4", "u1", "?", ">f4")
    inputs = {kind: np.arange(6).astype(kind).reshape(2, 3) for kind in kinds}
    inputs["scalar"] = np.array(3.5)
    golden.write(Golden(tmp_path / "g.npz", inputs, {"y": np.asfortranarray(inputs["f4"])}, lods, 0.25))
    found = golden.read(tmp_path / "g.npz")
    assert (found.lods, found.tolerance) == (lods, 0.25)
    for name, array in inputs.items():
        assert found.inputs[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found.inputs[name], array, strict=False)
    np.testing.assert_array_equal(found.outputs["y"], inputs["f4"])


@pytest.mark.parametrize(("code", "values"), [
    (dtype.STRING, np.array([[b"a", "ä".encode()]], object)), (6, np.array([[1.5, -3]]).astype(dtype.BFLOAT16)),
    (23, np.array([[0, 2**64 - 1]], np.uint64)),
])  # fmt: skip
def test_types_that_npz_files_have_not(tmp_path: Path, code: int, values: Array) -> None:
    side = Signature((Input("x", "x", code, (-1, 2)),), (Output("y", "y", code),))
    golden.write(Golden(tmp_path / "g.npz", {"x": values}, {"y": values}, {}, None))
    found = golden.read(tmp_path / "g.npz")
    golden.check(found, side, lambda arranged: Outputs(arranged.arrays, {}), "fp32")
    with pytest.raises(golden.GoldenDiffers, match="output 'y' is not that of the golden sample"):
        golden.check(found, side, lambda arranged: Outputs((values[:, ::-1],), {}), "fp32")


def test_a_string_that_an_npz_file_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="'x' has a string that ends with NUL"):
        golden.write(Golden(tmp_path / "g.npz", {"x": np.array([b"a\0"], object)}, {}, {}, None))


def a_header(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def a_zip(**entries: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an .npz file"),
        (b"no archive", "not an .npz file"),
        (a_zip(x=b"\x93NUMPY"), "is no array that numpy wrote"),
        (a_zip(x=a_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}\n") + b"123"), "bytes are not"),
        (a_zip(x=a_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,)}\n")), "bytes are not"),
        (a_zip(x=a_header(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n") + b"\x80"), "must hold numbers"),
        (a_zip(x=a_header(b"{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}\n")), "must hold numbers"),
        (a_zip(x=bytes(300 << 20)), "a golden sample has up to"),
        (a_zip(**{f"input.{k}": b"" for k in range(1025)}), "a golden sample has up to"),
        (a_zip(x=a_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': ()}\n") + bytes(4)), "'x' is no name of"),
    ],
)
def test_what_is_no_golden_sample_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "g.npz").write_bytes(content)
    with pytest.raises(BadModel, match=words) as error:
        golden.read(tmp_path / "g.npz")
    assert str(tmp_path / "g.npz") in str(error.value)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"output.y": np.zeros(1)}, "no array is named input.ALIAS"),
        ({"input.x": np.zeros(1), "tolerance": np.array([0.1, 0.2])}, "tolerance must be one number"),
        ({"input.x": np.zeros(1), "tolerance": np.array(np.nan)}, "tolerance must be 0 or more"),
        ({"input.x": np.zeros(1), "lod.x": np.array([0, 1])}, "must be lod.ALIAS.LEVEL"),
        ({"input.x": np.zeros(1), "lod.x.0": np.array([0.5])}, "must be lod.ALIAS.LEVEL"),
    ],
)
def test_wrong_names_and_values_are_refused(tmp_path: Path, named: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "g.npz", allow_pickle=False, **named)
    with pytest.raises(BadModel, match=words):
        golden.read(tmp_path / "g.npz")


def compare(
    found: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float | None = None, precision: str = "fp32"
) -> None:
    signature = Signature((Input("x", "x", 1, (-1,)),), (Output("y_real", "y", 1),))
    sample = Golden(Path("g.npz"), {"x": np.zeros(1, np.float32)}, {"y": expected}, {}, tolerance)
    golden.check(sample, signature, lambda arranged: Outputs((found,), {}), precision)


F32 = np.array([[1000.0, 2.0, np.nan, -np.inf]], np.float32)


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (F32 + np.float32(0.5), F32, ""),
        (F32 + np.float32(2), F32, r"at \[0, 0\] expected 1000.0, got 1002.0; 0.001 of the largest value, 1000, is"),
        (np.nan_to_num(F32, neginf=-np.inf), F32, r"at \[0, 2\] expected nan, got 0.0"),
        (F32[0], F32, r"expected float32\[1, 4\], got float32\[4\]"),
        (np.ones((1, 4), np.int64), F32, "expected float32"),
        (np.array([5001, 7]), np.array([5000, 7]), r"at \[0\] expected 5000, got 5001"),
        (np.array(True), np.array(False), r"at \[\] expected False, got True"),
        (np.array([1.7e9]), np.array([1.7e9 + 50.5]), "expected 1700000050.5, got 1700000000.0"),
        (np.array(2.0, np.float32), np.array(2.0, np.float32), ""),
        (np.array(3.0, np.float32), np.array(2.0, np.float32), r"at \[\] expected 2.0, got 3.0"),
        (np.array(np.inf, np.float32), np.array(2.0, np.float32), r"at \[\] expected 2.0, got inf"),
        (np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), ""),
    ],
)
def test_outputs_are_compared(found: npt.NDArray[Any], expected: npt.NDArray[Any], words: str) -> None:
    if not words:
        return compare(found, expected)
    with pytest.raises(golden.GoldenDiffers, match=words) as error:
        compare(found, expected)
    assert "output 'y' is not that of the golden sample g.npz" in str(error.value)
    return None


def test_the_file_or_the_precision_says_how_far_off_floats_may_be() -> None:
    compare(F32 * np.float32(1.01), F32, tolerance=0.1)
    compare(F32 * np.float32(1.01), F32, precision="bf16")
    with pytest.raises(golden.GoldenDiffers):
        compare(F32 * np.float32(1.0005), F32, tolerance=1e-6)


def test_a_run_that_fails_and_names_that_the_model_lacks() -> None:
    signature = Signature((Input("x", "x", 1, (-1,)),), (Output("y", "y", 1),))

    def fail(arranged: Arranged) -> Outputs:
        raise BackendFailed("no kernel")

    sample = Golden(Path("g.npz"), {"x": np.zeros(1, np.float32)}, {"y": np.zeros(1, np.float32)})
    with pytest.raises(golden.GoldenDiffers, match="cannot be run: no kernel"):
        golden.check(sample, signature, fail, "fp32")
    for inputs, outputs, words in (
        ({"z": np.zeros(1)}, sample.outputs, "'x'"),
        (sample.inputs, {"z": np.zeros(1)}, "no output 'z'; it has 'y'"),
        (sample.inputs, {}, "nothing to compare"),
    ):
        with pytest.raises(BadModel, match=words):
            golden.check(Golden(Path("g.npz"), inputs, outputs), signature, fail, "fp32")


@pytest.mark.parametrize("backend", ["", "paddle"])
def test_a_model_that_does_not_answer_it_is_refused(model_folder: Folder, tmp_path: Path, backend: str) -> None:
    folder = model_folder("uci", "pdmodel")
    options = ModelOptions(backend=backend, golden=str(saved(tmp_path / "right.npz")))
    Model.load(folder, options).close()
    options = ModelOptions(backend=backend, golden=str(saved(tmp_path / "wrong.npz", off=0.5)))
    expected = r"output 'price' is not that of the golden sample wrong.npz: at \[1, 0\] expected 15"
    with pytest.raises(BadModel, match=expected):
        Model.load(folder, options)
    with pytest.raises(BadModel, match=expected):
        LocalPredictor().load_model_config(str(folder), backend=backend, golden=tmp_path / "wrong.npz")


def test_the_one_in_the_folder_is_used_unless_another_is_named(model_folder: Folder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "uci"))
    paddle = ModelOptions(backend="paddle")
    keys = [kept_plans.key_of(folder, paddle)]
    saved(folder / golden.NAME, off=0.5)
    keys.append(kept_plans.key_of(folder, paddle))
    with pytest.raises(BadModel, match=r"golden.npz"):
        Model.load(folder, paddle)
    other = ModelOptions(backend="paddle", golden=str(saved(tmp_path / "other.npz")))
    keys.append(kept_plans.key_of(folder, other))
    Model.load(folder, other).close()
    assert len(set(keys)) == 3  # what another library may fail is measured again


def test_a_library_that_fails_it_is_passed_over(
    model_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Model.run

    def run_wrongly(self: Model, arranged: Arranged) -> Outputs:
        found = run(self, arranged)
        return Outputs(tuple(a + 1 for a in found.arrays), {}) if self.backend_name == "paddle" else found

    monkeypatch.setattr(Model, "run", run_wrongly)
    options = ModelOptions(golden=str(saved(tmp_path / "g.npz")))
    model = Model.load(model_folder("uci", "onnx"), options)
    model.close()
    with_paddle = Model.load(model_folder("uci", "pdmodel"), options)
    with_paddle.close()
    assert with_paddle.backend_name != "paddle"
