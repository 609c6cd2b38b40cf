from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client import model_config
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.model_config import CLIENT_CONFIG, SERVER_CONFIG, ModelSpec, Variable
from tests.client import captured

UCI = ModelSpec((Variable("x", "x", 1, (13,)),), (Variable("fc_0.tmp_1", "price", 1, (1,)),))
UCI_STREAM = bytes.fromhex("0a0c0a01781201781800200128 0d1219 0a0a66635f302e746d705f31 12057072696365 180020012801")
"""The binary form as Paddle Serving's converter wrote it."""
FETCH = 'fetch_var { name: "y" alias_name: "y" fetch_type: 1 shape: 1 }'


def parse(feed: str, fetch: str = FETCH) -> ModelSpec:
    return model_config.parse(f"feed_var {{ {feed} }}\n{fetch}", "here")


def only_feed(feed: str) -> Variable:
    (variable,) = parse(feed).feeds
    return variable


# --- what Paddle Serving wrote ---


def test_uci_in_both_forms() -> None:
    text = (Path(captured.config("uci")) / CLIENT_CONFIG).read_text()
    assert model_config.parse(text) == UCI
    assert model_config.to_text(UCI) == text
    assert model_config.to_stream(UCI) == UCI_STREAM


@pytest.mark.parametrize("name", ["uci", "multi", "lod", "bytes", "f16"])
def test_written_as_it_was_read(name: str) -> None:
    spec = model_config.read(captured.config(name), CLIENT_CONFIG)
    assert model_config.to_text(spec) == (Path(captured.config(name)) / CLIENT_CONFIG).read_text()


def test_a_folder_or_its_file() -> None:
    folder = Path(captured.config("multi"))
    spec = model_config.read(str(folder), CLIENT_CONFIG)
    assert model_config.read(folder / CLIENT_CONFIG) == spec
    assert [var.alias for var in spec.feeds] == ["f", "i64", "i32"]
    assert [var.name for var in spec.fetches] == ["o1_real", "o2_real", "o3_real"]
    assert model_config.read(captured.config("lod"), CLIENT_CONFIG).feeds == (
        Variable("w_real", "words", 0, (-1,), True),
    )


def test_a_chain_takes_what_the_first_takes_and_gives_what_the_last_gives() -> None:
    paths = [captured.config(name) for name in ("uci", "multi", "lod")]
    chain = model_config.read_chain(paths, CLIENT_CONFIG)
    assert (chain.feeds, [var.alias for var in chain.fetches]) == (UCI.feeds, ["crf"])
    assert model_config.read_chain(paths[0], CLIENT_CONFIG) == UCI
    assert model_config.read_chain(Path(paths[0]), CLIENT_CONFIG) == UCI
    with pytest.raises(BadConfig, match="no model config was given"):
        model_config.read_chain([])


# --- what people write by hand ---


@pytest.mark.parametrize(("text", "shape"), [
    ("shape: 3 shape: 224 shape: 224", (3, 224, 224)),
    ("shape: [3, 224, 224]", (3, 224, 224)),
    ("shape: 3 shape: -1 shape: -1", (3, -1, -1)),
    ("", ()),
    ("shape: []", ()),
    ("shape: 0", (0,)),
])  # fmt: skip
def test_shapes(text: str, shape: tuple[int, ...]) -> None:
    assert only_feed(f'name: "x" alias_name: "x" feed_type: 1 {text}').shape == shape


def test_text_format_in_all_its_freedom() -> None:
    spec = model_config.parse("""
        # the input
        feed_var: {
          name: 'x', alias_name: "a" "b";
          is_lod_tensor: True
          feed_type: 0x01
        }
        fetch_var < name: "y\\x41" >
    """)
    assert spec.feeds == (Variable("x", "ab", 1, (), True),)
    assert spec.fetches == (Variable("yA", "yA", 0, ()),)


def test_defaults() -> None:
    assert only_feed('name: "x"') == Variable("x", "x", 0, (), False)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / SERVER_CONFIG).write_bytes(b"\xef\xbb\xbf" + model_config.to_text(UCI).encode())
    assert model_config.read(tmp_path) == UCI


@pytest.mark.parametrize("elem_type", [-1, 0, 11, 20])
def test_types_that_are_known(elem_type: int) -> None:
    assert only_feed(f'name: "x" feed_type: {elem_type}').elem_type == elem_type


# --- what is refused, and what the text says ---


@pytest.mark.parametrize(("text", "problem"), [
    ("", "here: no feed_var; a model has at least one"),
    (FETCH, "here: no feed_var"),
    ('feed_var { name: "x" }', "here: no fetch_var"),
    ('feed_var { name: "x"', r"here: 1:\d+ : "),
    ('feed_var {\n  name: "x"\n  colour: 1\n}', 'here: 3:3 : .*"colour"'),
    ('feed_var { name: "x" feed_type: "float32" }', "here: 1:"),
    ('feed_var { name: "x" shape: 99999999999 }', "here: 1:"),
    ('feed_var { name: "x" name: "y" }', "here: 1:"),
    ("\0", "here: "),
    ("not a prototxt", "here: "),
])  # fmt: skip
def test_texts_that_are_no_config(text: str, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem):
        model_config.parse(text, "here")


@pytest.mark.parametrize(("feed", "problem"), [
    ("feed_type: 1", "here: variable '' has no name"),
    ('alias_name: "a"', "here: variable 'a' has no name"),
    ('name: "x" alias_name: "a" feed_type: 99', "'a' has type 99; known types are 0 int64, 1 float32, .*20 string"),
    ('name: "x" feed_type: -2', "'x' has type -2"),
    ('name: "x" shape: 3 shape: -2', r"'x' has shape \[3, -2\]; a dimension is -1 or more"),
    ('name: "x" } feed_var { name: "x" alias_name: "b"', "feed_var name 'x' is there more than once"),
    ('name: "x" } feed_var { name: "y" alias_name: "x"', "feed_var alias_name 'x' is there more than once"),
])  # fmt: skip
def test_variables_that_cannot_be(feed: str, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem):
        parse(feed)


def test_one_name_may_be_an_input_and_an_output() -> None:
    assert parse('name: "y" alias_name: "y"').feeds[0].name == "y"


def test_files_that_are_no_config(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        model_config.read(tmp_path)
    file = tmp_path / SERVER_CONFIG
    file.write_bytes(b'feed_var { name: "\xff" }')
    with pytest.raises(BadConfig, match=rf"{SERVER_CONFIG}: not UTF-8 text \(byte 18\)"):
        model_config.read(tmp_path)
    file.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(
        BadConfig, match=f"{SERVER_CONFIG}: a model config is at most 1048576 bytes, this one is larger"
    ):
        model_config.read(tmp_path)
    file.write_text("feed_var {")
    with pytest.raises(BadConfig, match=rf"{SERVER_CONFIG}: 1:"):
        model_config.read(file)


# --- there and back ---

NAMES = st.text(min_size=1, max_size=8)
VARIABLES = st.builds(
    Variable,
    name=NAMES,
    alias=NAMES,
    elem_type=st.sampled_from([-1, *range(12), 20]),
    shape=st.lists(st.integers(-1, 2**31 - 1), max_size=4).map(tuple),
    is_lod=st.booleans(),
)
LISTS = st.lists(VARIABLES, min_size=1, max_size=4, unique_by=(lambda var: var.name, lambda var: var.alias)).map(tuple)


@given(st.builds(ModelSpec, feeds=LISTS, fetches=LISTS))
def test_text_there_and_back(spec: ModelSpec) -> None:
    assert model_config.parse(model_config.to_text(spec)) == spec


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # the runtime's own, for "\\8"
@given(st.text(max_size=60))
def test_any_text_raises_nothing_undeclared(text: str) -> None:
    for whole in (text, f"feed_var {{ {text} }}", f'feed_var {{ name: "{text}" }} {FETCH}'):
        try:
            model_config.parse(whole)
        except BadConfig:
            continue
