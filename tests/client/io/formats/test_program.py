"""Paddle 1 and 2 programs."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import source
from paddle_serving_client.io.formats import program
from paddle_serving_client.io.source import Names
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.proto import framework_pb2 as pb
from tests.client.io import trained
from tests.models import Form

UCI_FEED = Variable("x", "x", 1, (13,))
UCI_FETCH = Variable("fc_0.tmp_1", "fc_0.tmp_1", 1, (1,))


@pytest.mark.parametrize("form", ["pdmodel", "legacy", "separate"])
def test_inputs_and_outputs_of_what_paddle_writes(tmp_path: Path, form: Form) -> None:
    found = source.read(trained.uci(tmp_path, form))
    assert (found.feeds, found.fetches) == ((UCI_FEED,), (UCI_FETCH,))
    assert not found.has_ordered_fetches


def test_several_types_in_the_order_of_columns(tmp_path: Path) -> None:
    found = source.read(trained.multi(tmp_path))
    assert [(v.name, v.elem_type, v.shape) for v in found.feeds] == [
        ("f_real", 1, (3,)),
        ("i64_real", 0, (2,)),
        ("i32_real", 2, (2,)),
    ]
    assert [v.name for v in found.fetches] == ["o1_real", "o2_real", "o3_real"]


def write(folder: Path, message: pb.ProgramDesc, name: str = "__model__") -> Path:
    trained.paddle1(folder)
    (folder / "__model__").unlink()
    (folder / name).write_bytes(message.SerializePartialToString())
    return folder


def test_columns_count_and_not_the_order_of_operators(tmp_path: Path) -> None:
    message = trained.paddle1_program()
    block = message.blocks[0]
    trained.add_tensor(block, "second", (-1,), data_type=trained.INT64, lod_level=1)
    block.ops.insert(0, pb.OpDesc(type=b"feed"))
    block.ops[0].outputs.add(parameter=b"Out", arguments=[b"second"])
    block.ops[0].attrs.add(name=b"col", type=0, i=1)
    found = source.read(write(tmp_path, message))
    assert found.feeds == (UCI_FEED, Variable("second", "second", 0, (-1,), is_lod=True))


def test_what_is_no_dense_tensor_has_no_code(tmp_path: Path) -> None:
    message = trained.paddle1_program()
    message.blocks[0].vars.add(name=b"texts", type=pb.VarType(type=26))
    trained.add_operator(message.blocks[0], "feed", {"X": "feed"}, {"Out": "texts"}, col=1)
    assert source.read(write(tmp_path, message)).feeds[1] == Variable("texts", "texts", dtype.UNKNOWN, ())


def test_an_output_fetched_twice_is_one(tmp_path: Path) -> None:
    message = trained.paddle1_program()
    trained.add_operator(message.blocks[0], "fetch", {"X": "fc_0.tmp_1"}, {"Out": "fetch"}, col=1)
    assert source.read(write(tmp_path, message)).fetches == (UCI_FETCH,)


@pytest.mark.parametrize(("kind", "words"), [("feed", "no input"), ("fetch", "no output")])
def test_training_programs_are_refused(tmp_path: Path, kind: str, words: str) -> None:
    message = trained.paddle1_program()
    kept = [op for op in message.blocks[0].ops if op.type != kind.encode()]
    del message.blocks[0].ops[:]
    message.blocks[0].ops.extend(kept)
    with pytest.raises(BadModel, match=f"the program has {words}: it was not saved for inference"):
        source.read(write(tmp_path, message))


def test_operators_for_variables_that_are_not_there(tmp_path: Path) -> None:
    message = trained.paddle1_program()
    message.blocks[0].ops[0].outputs[0].arguments[0] = b"ghost"
    with pytest.raises(BadModel, match="damaged: an operator feed is for 'ghost', no variable of it"):
        source.read(write(tmp_path, message))
    del message.blocks[0].ops[0].outputs[:]
    with pytest.raises(BadModel, match="damaged: an operator feed is for ''"):
        source.read(write(tmp_path, message))


def test_no_blocks(tmp_path: Path) -> None:
    (tmp_path / "m.pdmodel").write_bytes(b"\x0a")
    with pytest.raises(BadModel, match=r"m.pdmodel: not a Paddle program, or cut short \(1 bytes\)"):
        source.read(tmp_path)


def test_dimensions_beyond_the_prototxt(tmp_path: Path) -> None:
    message = trained.paddle1_program()
    message.blocks[0].vars[4].type.lod_tensor.tensor.dims[1] = 1 << 31
    with pytest.raises(BadModel, match=r"'x' has shape \[2147483648\]; a dimension is below 2\*\*31"):
        source.read(write(tmp_path, message))


def test_input_without_a_name(tmp_path: Path) -> None:
    message = trained.paddle1_program()
    message.blocks[0].vars.add().CopyFrom(message.blocks[0].vars[4])
    message.blocks[0].vars[-1].name = b""
    message.blocks[0].ops[0].outputs[0].arguments[0] = b""
    with pytest.raises(BadModel, match="a name of 0 bytes"):
        source.read(write(tmp_path, message))


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (Names(), ["model.pdmodel", "params.pdiparams"]),
        (Names(model="__model__"), ["__model__", "__params__"]),
        (Names(model="__model__", params=None), ["__model__", "__params__"]),
    ],
)
def test_names_in_the_server_folder(tmp_path: Path, names: Names, files: list[str]) -> None:
    assert [file.name for file in source.read(trained.paddle1(tmp_path), names, wanted=names).files] == files


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("served.pdmodel", "served.pdmodel"),
        ("served.json", "served.pdmodel"),
        ("served", "served.pdmodel"),
        ("a/model", "model"),
    ],
)
def test_wanted_names_are_mended(tmp_path: Path, wanted: str, name: str) -> None:
    assert source.read(trained.paddle1(tmp_path), wanted=Names(model=wanted)).files[0].name == name


def test_every_cut_is_refused_or_whole(tmp_path: Path) -> None:
    """What follows the block (Paddle's version) may be missing, as it is in the oldest files."""
    folder = trained.paddle1(tmp_path)
    raw = (folder / "__model__").read_bytes()
    for length in range(len(raw)):
        (folder / "__model__").write_bytes(raw[:length])
        with pytest.raises(BadModel, match="__model__: "):
            source.read(folder)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = trained.paddle1(tmp_path_factory.mktemp("p"))
    raw = bytearray((folder / "__model__").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(1, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / "__model__").write_bytes(raw)
    try:
        source.read(folder)
    except BadModel as exc:
        assert str(exc)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("p")
    (folder / "m.pdmodel").write_bytes(b"\x0a" + raw)
    with pytest.raises(BadModel):
        source.read(folder)


def test_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_MAX_BYTES", 100)
    with pytest.raises(BadModel, match="more than 100 bytes; a program without its parameters is smaller"):
        source.read(trained.paddle1(tmp_path))
