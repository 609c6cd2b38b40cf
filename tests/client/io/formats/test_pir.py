"""Paddle 3 programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import source
from paddle_serving_client.io.formats import pir
from paddle_serving_client.io.source import Names
from paddle_serving_client.model_config import Variable
from tests.client.io import trained
from tests.models import quiet_paddle


@pytest.fixture(scope="module")
def uci(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.uci(tmp_path_factory.mktemp("uci"), "json")


@pytest.fixture
def folder(tmp_path: Path, uci: Path) -> Path:
    for path in uci.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_inputs_and_outputs_of_what_paddle_writes(uci: Path) -> None:
    found = source.read(uci)
    assert found.feeds == (Variable("x", "x", 1, (13,)),)
    assert found.fetches == (Variable("fetch_name_0", "fetch_name_0", 1, (1,)),)
    assert found.has_ordered_fetches


def test_several_types(tmp_path: Path) -> None:
    found = source.read(trained.multi(tmp_path, "json"))
    assert [(v.name, v.elem_type, v.shape) for v in found.feeds] == [
        ("f_real", 1, (3,)),
        ("i64_real", 0, (2,)),
        ("i32_real", 2, (2,)),
    ]
    assert [(v.name, v.elem_type) for v in found.fetches] == [
        ("fetch_name_0", 1),
        ("fetch_name_1", 0),
        ("fetch_name_2", 2),
    ]


def test_readable_json_with_one_file_per_parameter(tmp_path: Path) -> None:
    with quiet_paddle() as paddle:
        paddle.disable_static()
        layer, spec = paddle.nn.Linear(3, 2), [paddle.static.InputSpec([None, 3], "float32", "x")]
        paddle.jit.save(layer, str(tmp_path / "m"), input_spec=spec, separate_parameters=True)
    (program,) = tmp_path.glob("*.json")
    program.write_text(json.dumps(json.loads(program.read_text()), indent=4))
    assert str(source.read(tmp_path)).startswith("Paddle 3 program: __model__.json, linear_0.b_0")


def edited(folder: Path, edit: Any) -> Path:
    path = folder / "inference.json"
    document = json.loads(path.read_bytes())
    edit(document["program"]["regions"][0]["blocks"][0]["ops"])
    path.write_text(json.dumps(document))
    return folder


def operation(ops: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(op for op in ops if op["#"] == kind)


def test_an_output_named_like_an_input_is_refused(folder: Path) -> None:
    """Paddle writes such a program for an output that is an input, and cannot load it."""

    def edit(ops: list[dict[str, Any]]) -> None:
        operation(ops, "1.fetch")["A"][0]["AT"]["D"] = "x"

    with pytest.raises(BadModel, match="'x' is both an input and an output; Paddle cannot load such a program"):
        source.read(edited(folder, edit))


def test_parameters_that_are_not_persistable_are_not_in_the_file(folder: Path) -> None:
    def edit(ops: list[dict[str, Any]]) -> None:
        state = json.loads(json.dumps(operation(ops, "p")))
        state["A"][3], state["OA"] = "dropout_state", [0, 1, 0]
        ops.insert(0, state)

    assert source.read(edited(folder, edit)).feeds[0].name == "x"


def test_columns_order_outputs(folder: Path) -> None:
    def edit(ops: list[dict[str, Any]]) -> None:
        first = operation(ops, "1.fetch")
        second = json.loads(json.dumps(first))
        second["A"][0]["AT"]["D"], second["A"][1]["AT"]["D"] = "before", -1
        ops.append(second)

    assert [var.name for var in source.read(edited(folder, edit)).fetches] == ["before", "fetch_name_0"]


def test_types_without_a_code(folder: Path) -> None:
    def edit(ops: list[dict[str, Any]]) -> None:
        operation(ops, "1.data")["O"][0]["TT"]["D"][0]["#"] = "0.t_f8e4m3fn"
        operation(ops, "1.fetch")["O"][0]["TT"] = {"#": "1.t_dense_tensor_array"}

    found = source.read(edited(folder, edit))
    assert found.feeds[0] == Variable("x", "x", dtype.UNKNOWN, (13,))
    assert found.fetches[0] == Variable("fetch_name_0", "fetch_name_0", dtype.UNKNOWN, ())


@pytest.mark.parametrize(
    ("kind", "path", "value", "message"),
    [
        ("1.data", ("A",), {}, "'A' is dict where list is expected"),
        ("1.data", ("A", 0), 7, "item 0 is int where dict is expected"),
        ("1.data", ("A", 0, "AT", "D"), 7, "an operation 1.data has no name"),
        ("1.data", ("O",), [], "a list has 0 items where 1 are expected"),
        ("1.data", ("O", 0, "TT", "D", 1), ["13"], "a tensor has the shape"),
        ("1.data", ("O", 0, "TT", "D", 1), [1.5], "a tensor has the shape"),
        ("1.fetch", ("O", 0, "TT", "D"), None, "'D' is NoneType where list is expected"),
        ("p", ("A",), [0, 1], "a list has 2 items where 4 are expected"),
        ("p", ("O", "TT"), "x", "'TT' is str where dict is expected"),
    ],
)
def test_damage_is_named(folder: Path, kind: str, path: tuple[Any, ...], value: object, message: str) -> None:
    def edit(ops: list[dict[str, Any]]) -> None:
        place: Any = operation(ops, kind)
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    with pytest.raises(BadModel, match=f"inference.json: not a Paddle 3 program: {message}"):
        source.read(edited(folder, edit))


@pytest.mark.parametrize(
    "tail", ['"program": {}}', '"program": {"regions": [{"blocks": [{"ops": [3]}]}]}}', '"program": ' + "[" * 90_000]
)
def test_other_json_is_refused(folder: Path, tail: str) -> None:
    (folder / "inference.json").write_text('{"base_code": {"magic": "pir"}, ' + tail)
    with pytest.raises(BadModel, match=r"inference\.json: not "):
        source.read(folder)


def test_name_that_is_not_text(folder: Path) -> None:
    def edit(ops: list[dict[str, Any]]) -> None:
        operation(ops, "1.data")["A"][0]["AT"]["D"] = "\ud800"

    with pytest.raises(BadModel, match="a name that is not text"):
        source.read(edited(folder, edit))


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (None, "inference.json"),
        ("m.pdmodel", "m.json"),
        ("m", "m.json"),
        ("__model__", "__model__.json"),
        ("manifest.json", "model.json"),
    ],
)
def test_names_that_paddle_takes(uci: Path, wanted: str | None, name: str) -> None:
    assert source.read(uci, wanted=Names(model=wanted)).files[0].name == name


def test_every_cut_is_refused(folder: Path) -> None:
    raw = (folder / "inference.json").read_bytes().rstrip()
    for length in range(len(raw)):
        (folder / "inference.json").write_bytes(raw[:length])
        with pytest.raises(BadModel):
            source.read(folder, Names(model="inference.json"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_is_read_or_refused(
    uci: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("p")
    raw = bytearray((uci / "inference.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b'0123456789-"{}[],:#% apDOTN\xff\\'))
    (folder / "inference.json").write_bytes(raw)
    (folder / "inference.pdiparams").write_bytes((uci / "inference.pdiparams").read_bytes())
    try:
        source.read(folder, Names(model="inference.json"))
    except BadModel as exc:
        assert str(exc)


def test_size_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pir, "_MAX_BYTES", 100)
    with pytest.raises(BadModel, match="more than 100 bytes"):
        source.read(folder)
