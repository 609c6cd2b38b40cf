"""SavedModels: signatures and operators, read without TensorFlow."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import saved_model, source
from paddle_serving_client.io.source import Names
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.tfserving import DataType
from tests import data
from tests.saved_models import (
    call,
    function,
    node,
    placeholder,
    signature,
    tensor,
    weighted,
    write,
)
from tests.saved_models import saved_model as written

REAL = Path(data.__file__).parent / "weight_variation" / "saved" / "barcamp2024-model-tensorflow" / "1"
FLOAT, TEXT, INT64 = DataType.DT_FLOAT, DataType.DT_STRING, DataType.DT_INT64


def test_what_tensorflow_writes_is_read() -> None:
    found = source.read(REAL)
    assert found.feeds == (Variable("serving_default_dense_input:0", "dense_input", 1, (18,)),)
    assert found.fetches == (Variable("StatefulPartitionedCall:0", "dense_1", 1, (1,)),)
    assert [file.name for file in found.files] == [
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert "not served: signature __saved_model_init_op" in found.notes
    model = saved_model.read(REAL / "saved_model.pb")
    ops = {step.op for step in model.needed(model.signatures["serving_default"])}
    assert {"StatefulPartitionedCall", "MatMul", "Relu", "ReadVariableOp"} <= ops
    assert "SaveV2" not in ops  # only what the outputs need
    assert model.consumer("serving_default_dense_input:0") == "MatMul"


def test_one_signature_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    folder = weighted(tmp_path / "m", "serving_default", "twice")
    found = source.read(folder)
    assert [fetch.alias for fetch in found.fetches] == ["sum"]
    assert found.notes == ("signature serving_default", "not served: signature twice")
    other = source.read(folder, wanted=Names(signature="twice"))
    assert [fetch.alias for fetch in other.fetches] == ["sum", "twice"]
    content = other.files[0].content
    assert content is not None
    again = source.read(write(tmp_path / "only", content))  # what is written has that one alone
    assert (again.feeds, again.fetches, again.notes) == (other.feeds, other.fetches, ("signature twice",))


def test_a_signature_is_asked_for_where_it_is_open_which(tmp_path: Path) -> None:
    assert [f.alias for f in source.read(weighted(tmp_path / "one", "twice")).fetches] == ["sum", "twice"]
    with pytest.raises(BadModel, match="no signature 'serving_default'; say which of: a, b"):
        source.read(weighted(tmp_path / "two", "a", "b"))
    with pytest.raises(BadModel, match="no signature 'c'; there are: a, b"):
        source.read(tmp_path / "two", wanted=Names(signature="c"))
    empty = written([], {"init": signature({}, {})})
    with pytest.raises(BadModel, match=r"no signature has inputs and outputs \(there are: init\)"):
        source.read(write(tmp_path / "none", empty))


def test_strings_are_refused_by_the_operator_that_takes_them(tmp_path: Path) -> None:
    inner = [node("same", "Identity", "text"), node("length", "StringLength", "same:output:0")]
    nodes = [placeholder("in", TEXT, (-1,)), node("call", "StatefulPartitionedCall", "in", f=call("f"))]
    made = signature({"t": tensor("in:0", TEXT, (-1,))}, {"n": tensor("call:0", INT64, (-1,))})
    folder = write(tmp_path / "m", written(nodes, {"serving_default": made}, [function("f", ["text"], inner)]))
    with pytest.raises(BadModel, match="input 't' of signature 'serving_default' is a string, which the operator Str"):
        source.read(folder)


def test_tables_are_refused_by_their_operators(tmp_path: Path) -> None:
    inner = [node("look", "LookupTableFindV2", "table", "k", "d")]
    nodes = [
        placeholder("in", INT64, (-1,)),
        node("table", "HashTableV2"),
        node("call", "PartitionedCall", "in", "table", f=call("f")),
        node("unused", "MutableHashTableV2"),
    ]
    made = signature({"k": tensor("in:0", INT64, (-1,))}, {"v": tensor("call:0", FLOAT, (-1,))})
    folder = write(tmp_path / "m", written(nodes, {"serving_default": made}, [function("f", ["k", "t"], inner)]))
    with pytest.raises(BadModel, match=r"in a table, .* \(the operators HashTableV2, LookupTableFindV2\)"):
        source.read(folder)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (tensor("", FLOAT, ()), "input 'x' is no plain tensor"),
        (tensor("in:0", 20, ()), "input 'x' is of TensorFlow's type 20"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_tensor_is_refused(tmp_path: Path, described: bytes, words: str) -> None:
    made = signature({"x": described}, {"y": tensor("in:0", FLOAT, None)})
    folder = write(tmp_path / "m", written([placeholder("in", FLOAT, None)], {"serving_default": made}))
    with pytest.raises(BadModel, match=words):
        source.read(folder)


def test_a_model_for_training_is_refused_by_its_tags(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", written([], {}, tag="train"))
    with pytest.raises(BadModel, match="no graph is tagged 'serve', .*: train"):
        source.read(folder)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(3, 4000), at=st.integers(3, 4000), byte=st.integers(0, 255))
def test_damage_is_an_error_of_ours_or_another_model(
    tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, byte: int
) -> None:
    content = bytearray((REAL / "saved_model.pb").read_bytes())
    content[at] = byte
    folder = write(tmp_path_factory.mktemp("damaged") / "m", bytes(content[:-cut]))
    try:
        source.read(folder)
    except BadModel as exc:
        assert "saved_model.pb" in str(exc)
