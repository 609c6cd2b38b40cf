"""config.pbtxt in all the dialects that people write, what is wrong in one, and the way back to JSON and protobuf."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_client.wire import triton_config
from tests.serving import ROOT

RECORDED: dict[str, Any] = json.loads((ROOT / "tests/data/triton/configs.json").read_text())

DIALECTS = """
name: 'bert-classifier'   # single quotes, and a comment
platform: "onnxruntime_onnx",
max_batch_size: 8;
input: [ { name: "input.1" data_type: TYPE_STRING dims: -1 dims: 1 },
           { name: 'Use Chip' , data_type : TYPE_INT64, dims : [ 1 ] optional: true } ]
input { name: "x:0", data_type: 11, dims: [3, -1] }
output: { name: "a/b_1" data_type: TYPE_FP32 dims: [ 2 ]
          label_filename: "labels" '.txt' }
dynamic_batching { }
instance_group [ { count: 2 kind: KIND_GPU gpus: [0] } ]
parameters: { key: "model_type", value: { string_value: "bert" } }
parameters { key: "EXECUTION_ENV_PATH" value { string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz" } }
"""


def test_every_dialect_of_the_text_form_is_read() -> None:
    fields = triton_config.to_fields(triton_config.parse(DIALECTS))
    assert fields["name"] == "bert-classifier"
    assert [tensor["name"] for tensor in fields["input"]] == ["input.1", "Use Chip", "x:0"]
    assert [tensor["dims"] for tensor in fields["input"]] == [[-1, 1], [1], [3, -1]]
    assert [tensor["data_type"] for tensor in fields["input"]] == ["TYPE_STRING", "TYPE_INT64", "TYPE_FP32"]
    assert fields["output"][0]["label_filename"] == "labels.txt"
    assert fields["dynamic_batching"]["preferred_batch_size"] == []
    assert "sequence_batching" not in fields
    assert fields["parameters"] == {
        "EXECUTION_ENV_PATH": {"string_value": "$$TRITON_MODEL_DIRECTORY/env.tar.gz"},
        "model_type": {"string_value": "bert"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'name: "x"\nbatch_size: 3',
            r'model/config\.pbtxt:2:1 : Message type "ModelConfig" has no field named "batch_s',
        ),
        ('input [\n { name: "x"\n data_type: TYPE_BYTES } ]', r"config\.pbtxt:3:.*TYPE_BYTES.*strings are TYPE_STRING"),
        ("max_batch_size: ${MAX_BATCH_SIZE}", r"config\.pbtxt:1:.*it is a template"),
        ("name: 'x'\nmax_batch_size:\n", r"config\.pbtxt:3:"),
        ("max_batch_size: 99999999999", r"config\.pbtxt:1:.*out of range"),
        ("max_batch_size: '8'", r"config\.pbtxt:1:"),
        ("input [ { name: 'x' dims: [ 1.5 ] } ]", r"config\.pbtxt:1:"),
        ("ensemble_scheduling { }\nensemble_scheduling { }", r"config\.pbtxt:2:.*should not have multiple"),
        ("dynamic_batching { }\nsequence_batching { }", r"config\.pbtxt:2:.*specified along with"),
        ("input [ {", r"config\.pbtxt:1:"),
        ('name: "\\xff"', r"config\.pbtxt:1:"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer, not the file"),
        (b"name: '\xff'", r"config\.pbtxt: not UTF-8 text \(byte 7\)"),
        (b" " * (triton_config.MAX_BYTES + 1), "a model config is at most 1048576 bytes"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str | bytes, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        triton_config.parse(text, "model/config.pbtxt")


def test_a_byte_order_mark_and_other_ends_of_lines_are_read() -> None:
    config = triton_config.parse(b"\xef\xbb\xbfname: 'x'\r\nmax_batch_size: 4\r\n")
    assert (config.name, config.max_batch_size) == ("x", 4)


@pytest.mark.parametrize("model", RECORDED)
def test_json_is_as_triton_answers_it(model: str) -> None:
    recorded = RECORDED[model]
    fields = triton_config.to_fields(triton_config.parse_json(json.dumps(recorded)))
    if model == "ensemble":
        assert fields["ensemble_scheduling"].pop("max_inflight_requests") == 0  # newer than the recording
    assert fields == recorded
    assert list(fields) == list(recorded)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}}", "config is not JSON"),
        ("[1]", "config must be a JSON object, got list"),
        ('{"nope": 1}', 'has no field named "nope"'),
        ('{"max_batch_size": "many"}', "max_batch_size"),
        ('{"input": {"name": "x"}}', "input"),
        ('{"input": [{"data_type": "TYPE_NOPE"}]}', "TYPE_NOPE"),
        ('{"dynamic_batching": {}, "sequence_batching": {}}', "scheduling_choice"),
        ('{"name": "\\ud800"}', "Unpaired surrogate"),
        ("[" * 100_000, "config is not JSON"),
        ('{"parameters": ' + '{"a":' * 500 + "1" + "}" * 500 + "}", "config"),
    ],
)
def test_json_that_is_no_config_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        triton_config.parse_json(text)


def test_protobuf_that_is_no_config_is_refused() -> None:
    with pytest.raises(BadConfig, match="is no ModelConfig as protobuf"):
        triton_config.parse_bytes(b"\x0a\xff")


_PIECES = st.sampled_from(
    [
        "name", "input", "output", "dims", "data_type", "max_batch_size", "dynamic_batching", "parameters", "key",
        "value", "string_value", "ensemble_scheduling", "step", "input_map", "TYPE_FP32", "KIND_GPU", "true", "-1", "0",
        "1e9", "nan", "inf", "0x7f", "'x'", '"y"', ":", "{", "}", "[", "]", "<", ">", ",", ";", "#", "\n", " ", "\\",
        "$", "[type.googleapis.com/x]", "\0", "é", "\ud7ff",
    ]
)  # fmt: skip


@given(st.one_of(st.lists(_PIECES, max_size=40).map(" ".join), st.text(max_size=80), st.binary(max_size=80)))
@settings(max_examples=600, deadline=None)
def test_any_text_is_a_config_or_refused(text: str | bytes) -> None:
    try:
        config = triton_config.parse(text)
    except ServingError as exc:
        assert isinstance(exc, BadConfig)
        return
    _comes_back(config)


_KEYS = st.sampled_from(["name", "input", "dims", "reshape", "shape", "parameters", "version_policy", "all"])
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)


@given(_JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_is_a_config_or_refused(value: object) -> None:
    try:
        config = triton_config.parse_json(json.dumps(value))
    except ServingError as exc:
        assert isinstance(exc, BadConfig)
        return
    _comes_back(config)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_config_with_one_character_changed_is_a_config_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(DIALECTS) - 1))
    changed = DIALECTS[:at] + data.draw(st.characters(codec="utf-8")) + DIALECTS[at + 1 :]
    try:
        config = triton_config.parse(changed)
    except ServingError as exc:
        assert isinstance(exc, BadConfig)
        return
    _comes_back(config)


def _comes_back(config: Any) -> None:
    """Whatever was read is written and read again, as text, JSON and protobuf."""
    assert triton_config.parse_bytes(config.SerializeToString()) == config
    assert triton_config.parse(triton_config.to_text(config)) == config
    assert triton_config.from_fields(triton_config.to_fields(config)) == config


def test_an_escape_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadConfig, match="config: .*escape"):
        triton_config.parse('name: "a\\-b"')
