"""Parameter files held against their program."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import params
from paddle_serving_client.io.params import Parameter
from tests.client.io import trained
from tests.models import UCI_B, UCI_W

UCI = [Parameter("fc_0.w_0", (13, 1)), Parameter("fc_0.b_0", (1,))]
UCI_RECORDS = trained.record(UCI_B) + trained.record(UCI_W[:, None])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.pdiparams").write_bytes(UCI_RECORDS)
    return tmp_path


def test_combined_file_is_found_by_its_stem(folder: Path) -> None:
    assert params.locate(folder, "m.pdmodel", None, UCI) == (folder / "m.pdiparams",)


def test_one_file_each_in_the_order_of_names(tmp_path: Path) -> None:
    trained.paddle1(tmp_path)
    assert params.locate(tmp_path, "__model__", None, UCI) == (tmp_path / "fc_0.b_0", tmp_path / "fc_0.w_0")


def test_a_program_without_parameters_needs_no_file(tmp_path: Path) -> None:
    assert params.locate(tmp_path, "m.pdmodel", None, []) == ()


def test_record_is_what_the_reference_describes() -> None:
    assert params.record((13, 1), 5, UCI_W.tobytes()) == trained.record(UCI_W[:, None])


def test_lod_levels_are_stepped_over(tmp_path: Path) -> None:
    plain = trained.record(UCI_B)
    lod = struct.pack("<IQ", 0, 2) + struct.pack("<Q", 16) + bytes(16) + struct.pack("<Q", 0) + plain[12:]
    (tmp_path / "m.pdiparams").write_bytes(lod)
    assert params.locate(tmp_path, "m.pdmodel", None, UCI[1:])


def test_missing_parameters_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"has 2 parameters \(fc_0.b_0, fc_0.w_0\), but there is no m.pdiparams or __p"):
        params.locate(tmp_path, "m.pdmodel", None, UCI)
    trained.paddle1(tmp_path)
    (tmp_path / "fc_0.w_0").unlink()
    with pytest.raises(BadModel, match=r"no file for 1 parameter \(fc_0.w_0\): it holds __model__, fc_0.b_0"):
        params.locate(tmp_path, "__model__", None, UCI)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (UCI[:1], r"at parameter 'fc_0.w_0' \(1 of 1\): shape \[1\], but the program says \[13, 1\]"),
        ([*UCI, Parameter("z", (1,))], r"at parameter 'z' \(3 of 3\): the file ends; it is cut short or belongs to an"),
        (UCI[1:], r"78 bytes are left after all 1 parameters of the program; these are another"),
        ([], r"106 bytes are left after all 0 parameters"),
        ([UCI[1], Parameter("fc_0.w_0", (14, 1))], r"shape \[13, 1\], but the program says \[14, 1\]"),
    ],
)
def test_another_models_parameters_are_refused(folder: Path, declared: list[Parameter], message: str) -> None:
    with pytest.raises(BadModel, match=message):
        params.locate(folder, "m.pdmodel", "m.pdiparams", declared)


def test_dims_that_are_not_fixed_are_not_compared(folder: Path) -> None:
    assert params.locate(folder, "m.pdmodel", None, [UCI[1], Parameter("fc_0.w_0", (-1, 1))])


def test_separate_file_with_more_than_its_parameter(tmp_path: Path) -> None:
    trained.paddle1(tmp_path)
    (tmp_path / "fc_0.b_0").write_bytes(UCI_RECORDS)
    with pytest.raises(BadModel, match="fc_0.b_0: 78 bytes are left"):
        params.locate(tmp_path, "__model__", None, UCI)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname"])
def test_parameter_names_do_not_leave_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(trained.record(UCI_B))
    (tmp_path / "m").mkdir()
    with pytest.raises(BadModel, match="not a name of a file inside the folder|no file for"):
        params.locate(tmp_path / "m", "__model__", None, [Parameter(name, (1,))])


def test_pipe_for_parameters_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.pdiparams")
    with pytest.raises(BadModel, match="a pipe, not a regular file"):
        params.locate(tmp_path, "m.pdmodel", "m.pdiparams", UCI)


def test_every_cut_of_a_parameter_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pdiparams"
    for length in range(len(UCI_RECORDS)):
        path.write_bytes(UCI_RECORDS[:length])
        with pytest.raises(BadModel, match="m.pdiparams: "):
            params.locate(tmp_path, "m.pdmodel", None, UCI)
    path.write_bytes(UCI_RECORDS + b"\0")
    with pytest.raises(BadModel, match="1 bytes are left"):
        params.locate(tmp_path, "m.pdmodel", None, UCI)


def desc_record(desc: bytes, values: bytes = b"") -> bytes:
    return struct.pack("<IQIi", 0, 0, 0, len(desc)) + desc + values


HUGE_DIM = b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f"


@pytest.mark.parametrize(
    "content",
    [
        desc_record(b"\x08\x05" + HUGE_DIM * 400),
        desc_record(b"\x08\x05" + HUGE_DIM * 30),
        desc_record(b"\x08\x63\x10\x01", b"x"),  # element type 99
        desc_record(b"\x10\x01", b"x"),  # no element type
        desc_record(b"\x08\x05\x10" + b"\xff" * 9 + b"\x01"),  # dims [-1]
        struct.pack("<IQ", 0, 1 << 63),
        struct.pack("<IQQ", 0, 1, 1 << 63),
        struct.pack("<IQIi", 0, 0, 0, -1),
        struct.pack("<IQIi", 0, 0, 0, 0x7FFFFFFF),
        struct.pack("<IQIi", 1, 0, 0, 4),
        struct.pack("<IQIi", 0, 0, 1, 4),
    ],
)
def test_lengths_are_not_trusted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pdiparams").write_bytes(content)
    with pytest.raises(BadModel, match="m.pdiparams: at parameter 'fc_0.b_0'"):
        params.locate(tmp_path, "m.pdmodel", None, UCI[1:])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(UCI_RECORDS) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@example([(4, 255)])
@example([(16, 0)])
def test_any_change_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(UCI_RECORDS)
    for position, value in changes:
        content[position] = value
    folder = tmp_path_factory.mktemp("p")
    (folder / "m.pdiparams").write_bytes(content)
    try:
        params.locate(folder, "m.pdmodel", None, UCI)
    except BadModel as exc:
        assert str(exc)


@pytest.mark.parametrize(
    ("model", "source", "wanted", "name"),
    [
        ("model.pdmodel", ("fc_0.b_0", "fc_0.w_0"), None, "params.pdiparams"),
        ("__model__", ("fc_0.b_0", "fc_0.w_0"), None, "__params__"),
        ("__model__", ("__params__",), "__params__", "__params__"),
        ("model.pdmodel", ("__params__",), None, "params.pdiparams"),
        ("inference.json", ("inference.pdiparams",), None, "inference.pdiparams"),
        ("inference.json", ("inference.pdiparams",), "weights.bin", "weights.bin.pdiparams"),
        ("inference.json", ("inference.pdiparams",), "sub/params", "params"),
    ],
)
def test_name_in_the_server_folder_is_one_that_libraries_look_for(
    model: str, source: tuple[str, ...], wanted: str | None, name: str
) -> None:
    assert params.combined_name(model, tuple(map(Path, source)), wanted) == name


def test_float16_and_scalars(tmp_path: Path) -> None:
    half, scalar = np.ones((2, 3), np.float16), np.float64(1.5)
    content = params.record((2, 3), 4, half.tobytes()) + params.record((), 6, scalar.tobytes())
    (tmp_path / "m.pdiparams").write_bytes(content)
    assert params.locate(tmp_path, "m.pdmodel", None, [Parameter("a", (2, 3)), Parameter("b", ())])
