"""Model repositories as people have them: completed, checked against their models, and what Git leaves of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_app.triton import container_paths, repository
from paddle_serving_app.triton.repository import RepositoryModel, Rules
from paddle_serving_client.errors import BadConfig, BadModel
from tests import triton_models as tm
from tests.serving import ROOT

RECORDED: dict[str, Any] = json.loads((ROOT / "tests/data/triton/configs.json").read_text())
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 400\n"
IDENTITY = 'platform: "onnxruntime_onnx" max_batch_size: 8 {} '
IO = (
    'input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] '
    'output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ] '
)


def model(folder: Path, config: str | None, versions: tuple[str, ...] = ("1",), **rules: Any) -> RepositoryModel:
    """An identity model of some versions, opened."""
    tm.put(folder, config)
    for version in versions:
        tm.identity(folder / version / "model.onnx")
    return repository.opened(folder, Rules(**rules))


@pytest.mark.parametrize("name", ["simple", "two_versions", "queue"])
def test_a_config_is_completed_as_triton_does(tmp_path: Path, name: str) -> None:
    recorded = dict(RECORDED[name], runtime="")
    queue = (
        "dynamic_batching { max_queue_delay_microseconds: 1000000 preferred_batch_size: [ 8 ] default_queue_policy { "
    )
    texts = {
        "simple": tm.SIMPLE,
        "two_versions": IDENTITY.format("version_policy { all { } }") + IO,
        "queue": 'platform: "onnxruntime_onnx" max_batch_size: 8 '
        'input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ] '
        f'output [ {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] }} ] {queue} max_queue_size: 1 }} }}',
    }
    folder = tm.put(tmp_path / recorded["name"], texts[name])
    file = folder / "1/model.onnx"
    if name == "simple":
        tm.simple(file)
    elif name == "queue":
        shape = (tm.FLOAT, ("b", "d"))
        tm.onnx(file, {"INPUT0": shape}, {"OUTPUT0": shape}, [("Identity", ("INPUT0",), ("OUTPUT0",))])
    else:
        tm.identity(file)
    assert repository.opened(folder).config.to_fields() == recorded


def test_a_model_without_a_config_is_completed_from_its_graph(tmp_path: Path) -> None:
    opened = model(tmp_path / "plain", None)
    config = opened.config
    assert (config.name, config.backend, config.platform) == ("plain", "onnxruntime", "onnxruntime_onnx")
    assert (config.max_batch_size, config.default_model_filename) == (4, "model.onnx")
    assert config.dynamic_batching is not None
    assert config.dynamic_batching.preferred_batch_size == (4,)
    assert [(t.name, t.datatype, t.dims) for t in (*config.inputs, *config.outputs)] == [
        ("X", "FP32", (4,)),
        ("Y", "FP32", (4,)),
    ]
    assert any("max_batch_size is not given" in note for note in opened.notes)


def test_a_model_that_cannot_be_batched_keeps_its_whole_shapes(tmp_path: Path) -> None:
    tm.identity(tm.put(tmp_path / "fixed", None) / "1/model.onnx", shape=(1, 3, 224, 224))
    config = repository.opened(tmp_path / "fixed").config
    assert config.max_batch_size == 0
    assert config.dynamic_batching is None
    assert config.inputs[0].dims == (1, 3, 224, 224)


def test_a_tensor_of_rows_only_gets_an_axis_of_its_own(tmp_path: Path) -> None:
    tm.identity(tm.put(tmp_path / "rows", None) / "1/model.onnx", shape=("batch",))
    tensor = repository.opened(tmp_path / "rows").config.inputs[0]
    assert (tensor.dims, tensor.reshape, tensor.model_dims) == ((1,), (), ())


def test_how_far_a_model_is_batched_where_nobody_says_it_is_a_setting(tmp_path: Path) -> None:
    config = model(tmp_path / "plain", None, default_max_batch_size=1).config
    assert (config.max_batch_size, config.dynamic_batching) == (1, None)
    assert model(tmp_path / "off", None, default_max_batch_size=0).config.inputs[0].dims == (-1, 4)


def test_nothing_is_filled_in_where_configs_are_strict(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"plain/config\.pbtxt is missing"):
        model(tmp_path / "plain", None, complete=False)
    with pytest.raises(BadConfig, match="must specify inputs and outputs"):
        model(tmp_path / "partial", 'backend: "onnxruntime"', complete=False)
    assert model(tmp_path / "full", IDENTITY.format("") + IO, complete=False).config.max_batch_size == 8


def test_a_file_of_another_name_is_found_where_it_is_the_only_one(tmp_path: Path) -> None:
    tm.identity(tm.put(tmp_path / "m", 'backend: "onnxruntime"') / "1/rubert-base-cased.onnx")
    opened = repository.opened(tmp_path / "m")
    assert opened.files == {1: tmp_path / "m/1/rubert-base-cased.onnx"}
    assert "model.onnx is not there; rubert-base-cased.onnx is taken" in opened.notes


def test_a_file_may_be_named_with_folders_and_be_a_folder(tmp_path: Path) -> None:
    named = 'backend: "onnxruntime" default_model_filename: "nomic-embed/onnx/model.onnx"'
    tm.identity(tm.put(tmp_path / "a", named) / "1/nomic-embed/onnx/model.onnx")
    assert repository.opened(tmp_path / "a").files[1].name == "model.onnx"
    tm.identity(tm.put(tmp_path / "b", None) / "1/model.onnx/model.onnx")
    assert repository.opened(tmp_path / "b").files == {1: tmp_path / "b/1/model.onnx/model.onnx"}


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("", (10,)),
        ("version_policy { latest { num_versions: 2 } }", (3, 10)),
        ("version_policy { all { } }", (1, 3, 10)),
        ("version_policy: { specific: { versions: [ 1, 7 ] } }", (1,)),
    ],
)
def test_versions_follow_the_policy(tmp_path: Path, policy: str, chosen: tuple[int, ...]) -> None:
    opened = model(tmp_path / "m", IDENTITY.format(policy) + IO, ("1", "3", "10", "007"))
    assert opened.versions == chosen
    assert tuple(opened.files) == chosen
    assert any("'007' which contains leading zeros" in note for note in opened.notes)
    assert any("version 7 is specified" in note for note in opened.notes) == ("specific" in policy)


def test_a_policy_that_leaves_no_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="at least one version must be available under the version policy"):
        model(tmp_path / "m", IDENTITY.format("version_policy { specific { versions: 2 } }") + IO)


def test_the_text_classifier_as_people_have_it(tmp_path: Path) -> None:
    listing = repository.listed([tm.bert(tmp_path)])
    assert list(listing.models) == ["ensemble_model", "model_onnx", "post_processing", "text_preprocessing"]
    opened = {name: repository.opened(path) for name, path in listing.models.items()}
    ensemble = opened["ensemble_model"]
    assert (ensemble.versions, dict(ensemble.files), ensemble.notes) == ((1,), {}, ())
    assert [(step.model_name, step.model_version) for step in ensemble.config.steps] == [
        ("text_preprocessing", -1),
        ("model_onnx", -1),
        ("post_processing", 1),
    ]
    assert ensemble.config.steps[0].output_map == {"input_ids": "ids", "attention_mask": "mask"}
    onnx = opened["model_onnx"]
    assert [(group.kind, group.count, group.gpus) for group in onnx.config.instance_groups] == [("KIND_CPU", 2, ())]
    assert any("KIND_GPU, GPUs [0]; this machine has no GPU that can be used" in note for note in onnx.notes)
    assert opened["post_processing"].config.name == "post_processing"
    assert opened["text_preprocessing"].files == {1: tmp_path / "text_preprocessing/1/model.py"}


SEQUENCE = """
platform: "onnxruntime_onnx" max_batch_size: 8
input { name: "INPUT" data_type: TYPE_INT32 dims: 1 }
output { name: "OUTPUT" data_type: TYPE_INT32 dims: 1 }
sequence_batching {
  oldest { max_candidate_sequences: 16 max_queue_delay_microseconds: 10 }
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] },
    { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] }
  ]
}
"""


def test_inputs_that_the_server_fills_in_are_none_of_the_callers(tmp_path: Path) -> None:
    row = ("batch", 1)
    tm.onnx(
        tm.put(tmp_path / "m", SEQUENCE) / "1/model.onnx",
        {"INPUT": (tm.INT32, row), "START": (tm.INT32, row), "CORRID": (13, row)},
        {"OUTPUT": (tm.INT32, row)},
        [("Add", ("INPUT", "START"), ("OUTPUT",))],
    )
    sequences = repository.opened(tmp_path / "m").config.sequence_batching
    assert sequences is not None
    assert (sequences.is_oldest, sequences.max_candidate_sequences, sequences.max_idle_us) == (True, 16, 1_000_000)
    assert [(found.input_name, found.datatype, found.false_true) for found in sequences.controls] == [
        ("START", "INT32", (0.0, 1.0)),
        ("CORRID", "UINT64", None),
    ]
    broken = SEQUENCE.replace("int32_false_true: [ 0, 1 ]", "")
    with pytest.raises(
        BadConfig, match="control input 'START', CONTROL_SEQUENCE_START: exactly one of int32_false_true"
    ):
        repository.opened(tm.put(tmp_path / "m", broken))


def test_a_gpu_that_is_there_is_kept(tmp_path: Path) -> None:
    group = "instance_group [ { kind: KIND_GPU gpus: [ 1 ] }, { count: 3 } ]"
    groups = model(tmp_path / "m", IDENTITY.format(group) + IO, gpus=(0, 1)).config.instance_groups
    assert [(found.name, found.kind, found.count, found.gpus) for found in groups] == [
        ("m_0", "KIND_GPU", 1, (1,)),
        ("m_1", "KIND_GPU", 3, (0, 1)),
    ]


def test_a_python_model_may_say_its_inputs_and_outputs_itself(tmp_path: Path) -> None:
    opened = repository.opened(tm.put(tmp_path / "m", None, {"1/model.py": "", "1/helper.py": "", "vocab.txt": ""}))
    assert (opened.config.backend, opened.is_whole) == ("python", False)


def test_ensembles_must_say_theirs(tmp_path: Path) -> None:
    config = tm.BERT["ensemble_model"].replace("output [ { name", "# output [ { name")
    with pytest.raises(BadConfig, match="model ensemble_model must specify at least one 'output'"):
        repository.opened(tm.put(tmp_path / "ensemble_model", config))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("max_batch_size: 8 " + IO.replace("TYPE_FP32 dims: [ 4 ] } ] out", "TYPE_INT64 dims: [ 4 ] } ] out"),
         "unable to load model 'm', configuration expects datatype TYPE_INT64 for input 'X', model provides TYPE_FP32"),
        ("max_batch_size: 8 " + IO.replace("[ 4 ]", "[ 5 ]"),
         r"tensor 'X': the model expects 2 dimensions \(shape \[-1,4\]\).* 2 dimensions "
         r"\(an initial batch dimension .* complete shape \[-1,5\]\)"),
        (IO, r"model 'm', tensor 'X': the model expects 2 dimensions \(shape \[-1,4\]\) but the model configuration "
         r"specifies 1 dimensions \(shape \[4\]\)"),
        ("max_batch_size: 8 " + IO.replace('"X"', '"x"'), "unexpected inference input 'x', allowed inputs are: X"),
        ("max_batch_size: 8 " + IO.replace('"Y"', '"Z"'), "unexpected inference output 'Z', allowed outputs are: Y"),
    ],
)  # fmt: skip
def test_a_config_that_is_not_the_models_is_refused(tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        model(tmp_path / "m", 'backend: "onnxruntime" ' + config)


def test_a_model_without_a_batch_axis_takes_no_max_batch_size(tmp_path: Path) -> None:
    for config in ("max_batch_size: 8 ", "max_batch_size: 8 " + IO):
        tm.identity(tm.put(tmp_path / "m", 'backend: "onnxruntime" ' + config) / "1/model.onnx", shape=(1, 4))
        with pytest.raises(
            BadModel, match="does not support batching while|for the model to support batching the shape"
        ):
            repository.opened(tmp_path / "m")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("max_batch_size: -1", "'max_batch_size' must be non-negative value for m"),
        (
            "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 16 ] }",
            "preferred size must be <= max batch size",
        ),
        (
            "max_batch_size: 8 dynamic_batching { priority_levels: 2 }",
            r"default priority level must be in range \[1, 2\]",
        ),
        ('max_batch_size: 8 input { name: "Z" dims: 4 }', "model input 'Z' must specify 'data_type' for m"),
        ('max_batch_size: 8 input { name: "Z" data_type: TYPE_FP32 }', "model input 'Z' must specify 'dims' for m"),
        ('max_batch_size: 8 input { name: "Z" data_type: TYPE_FP32 dims: 0 }', "dimension must be integer >= 1, or -1"),
        (
            'max_batch_size: 8 input { name: "X" data_type: TYPE_FP32 dims: 4 }',
            "model input 'X' is there more than once",
        ),
        ('max_batch_size: 8 input { name: "Z" data_type: 77 dims: 4 }', "there is no data type of number 77"),
        ('input { name: "Z" data_type: TYPE_FP32 dims: 1 reshape { } }', "cannot have empty reshape for non-batching"),
        (
            'input { name: "Z" data_type: TYPE_FP32 dims: 4 reshape { shape: [ 3 ] } }',
            "has different size for dims and res",
        ),
        (
            'input { name: "Z" data_type: TYPE_FP32 dims: -1 reshape { shape: [ -1, -1 ] } }',
            "different number of variable",
        ),
        (
            'input { name: "Z" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }',
            "allow_ragged_batch for m: requests",
        ),
        (
            "response_cache { enable: true } model_transaction_policy { decoupled: true }",
            "Response Cache does not curren",
        ),
        ("batch_input { kind: BATCH_ELEMENT_COUNT }", "batch_input and batch_output belong to ragged batches"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        repository.opened(tm.put(tmp_path / "m", f'backend: "python" {IO} {config}', {"1/model.py": ""}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('platform: "tensorrt_plan"', "'tensorrt' is not served: a TensorRT engine runs on one kind of GPU only"),
        ('backend: "vllm"', "'vllm' is not served: language models"),
        ('backend: "mine"', "there is no backend 'mine'; there are tensorflow, onnxruntime"),
        ('platform: "mine"', "unexpected platform type 'mine' for m"),
        ("", "Could not determine backend for model 'm'"),
    ],
)
def test_a_backend_that_there_is_not_is_named(tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        repository.opened(tm.put(tmp_path / "m", config, {"1/what.bin": "x"}))


def test_platform_python_is_taken_as_the_backend(tmp_path: Path) -> None:
    opened = repository.opened(tm.put(tmp_path / "m", f'platform: "python" {IO}', {"1/model.py": ""}))
    assert (opened.config.backend, opened.config.platform) == ("python", "")
    assert 'platform: "python" is taken as backend: "python"' in opened.notes


def test_what_git_leaves_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"there is no version folder, and so no .*/m/1/model\.onnx: Git keeps no empty"):
        repository.opened(tm.put(tmp_path / "m", 'platform: "onnxruntime_onnx"'))
    with pytest.raises(BadModel, match=r"n/1/model\.onnx is missing: .*labels\.json.*put the model there"):
        repository.opened(tm.put(tmp_path / "n", 'platform: "onnxruntime_onnx"', {"1/labels.json": "{}"}))
    with pytest.raises(BadModel, match=r"o/1/model\.onnx is a Git LFS pointer, not the file itself"):
        repository.opened(tm.put(tmp_path / "o", 'platform: "onnxruntime_onnx"', {"1/model.onnx": LFS}))
    with pytest.raises(BadConfig, match=r"p/config\.pbtxt is a Git LFS pointer"):
        repository.opened(tm.put(tmp_path / "p", LFS))
    beside = tm.put(tmp_path / "q", 'backend: "python"', {"1/model.py": "", "1/weights/bert.pth": LFS})
    assert any("weights/bert.pth is a Git LFS pointer" in note for note in repository.opened(beside).notes)


@pytest.mark.parametrize("name", ["../other/model.onnx", "/etc/passwd", "."])
def test_a_model_file_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadModel, match="leads out of the version folder|is missing"):
        model(tmp_path / "m", f'backend: "onnxruntime" default_model_filename: "{name}"')


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    tm.identity(tmp_path / "elsewhere.onnx")
    folder = tm.put(tmp_path / "m", 'backend: "onnxruntime"', {"1/note.txt": ""})
    (folder / "1/model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(BadModel, match="is a link out of"):
        repository.opened(folder)


def test_a_repository_is_listed_with_what_is_wrong_in_it(tmp_path: Path) -> None:
    tm.put(tmp_path / "a/bert", tm.SIMPLE.replace('"simple"', '"ruBERT"'))
    tm.put(tmp_path / "a/broken", "name: ${NAME}")
    tm.put(tmp_path / "a/docs", None, {"readme.md": ""})
    tm.put(tmp_path / "a/twice", 'backend: "python"')
    tm.put(tmp_path / "b/twice", 'backend: "python"')
    tm.put(tmp_path / "b/.git", 'backend: "python"')
    listing = repository.listed([tmp_path / "a", tmp_path / "b"])
    assert listing.models == {"ruBERT": tmp_path / "a/bert"}
    assert list(listing.refused) == ["broken", "twice"]
    assert "it is a template" in listing.refused["broken"]
    assert "model 'twice' is not unique across all model repositories" in listing.refused["twice"]
    assert [note for note in listing.notes if "is no model" in note] == [
        f"{tmp_path / 'a/docs'} is no model: it has neither config.pbtxt nor a numbered folder with a file in it"
    ]
    with pytest.raises(BadModel, match="there is no such folder; give a model repository"):
        repository.listed([tmp_path / "c"])


def test_a_config_at_the_root_makes_the_repository_one_model(tmp_path: Path) -> None:
    tm.simple(tm.put(tmp_path, tm.SIMPLE) / "1/model.onnx")
    listing = repository.listed([tmp_path])
    assert listing.models == {"simple": tmp_path}
    assert "it is taken as one model" in listing.notes[0]
    opened = repository.opened(tmp_path)
    assert opened.name == "simple"
    assert any("its config calls it 'simple'" in note for note in opened.notes)


def test_a_request_to_load_may_bring_a_config(tmp_path: Path) -> None:
    tm.simple(tm.put(tmp_path / "simple", tm.SIMPLE) / "1/model.onnx")
    sent = json.dumps({**RECORDED["simple"], "max_batch_size": 4})
    assert repository.opened(tmp_path / "simple", override=sent).config.max_batch_size == 4
    with pytest.raises(BadConfig, match="the config that came with the request to load simple is not JSON"):
        repository.opened(tmp_path / "simple", override="{}}")


def test_another_config_can_be_asked_for(tmp_path: Path) -> None:
    folder = tm.put(tmp_path / "simple", tm.SIMPLE, {"configs/small.pbtxt": tm.SIMPLE.replace(": 8", ": 2")})
    tm.simple(folder / "1/model.onnx")
    sizes = [repository.opened(folder, Rules(config_name=name)).config.max_batch_size for name in ("", "small", "none")]
    assert sizes == [8, 2, 8]


def test_paths_of_a_container_are_found_here(tmp_path: Path) -> None:
    config = f"""backend: "python" {IO}
      parameters {{ key: "vocab" value {{ string_value: "/models/m/vocab.txt" }} }}
      parameters {{ key: "elsewhere" value {{ string_value: "/data/x.txt" }} }}
      parameters {{ key: "nowhere" value {{ string_value: "/models/none" }} }}"""
    folder = tm.put(tmp_path / "r/m", config, {"1/model.py": "", "vocab.txt": "a"})
    paths = container_paths.parse([f"/data={tmp_path}"], [tmp_path / "r"])
    opened = repository.opened(folder, Rules(paths=paths))
    assert opened.config.parameters == {
        "elsewhere": str(tmp_path / "x.txt"),
        "nowhere": "/models/none",
        "vocab": str(folder / "vocab.txt"),
    }
    assert f"parameter vocab: /models/m/vocab.txt is {folder / 'vocab.txt'} on this machine" in opened.notes


@pytest.mark.parametrize("flag", ["models=/x", "/models", "/models="])
def test_a_map_that_says_nothing_is_refused(flag: str) -> None:
    with pytest.raises(BadConfig, match="--map is FOLDER=DIR"):
        container_paths.parse([flag])


def test_what_is_without_effect_is_said(tmp_path: Path) -> None:
    extra = """
    optimization { execution_accelerators { gpu_execution_accelerator : [ { name : "tensorrt" } ] }
                   cuda { graphs: true } }
    instance_group [ { kind: KIND_CPU rate_limiter { priority: 2 } host_policy: "cpu_0" } ]
    cc_model_filenames { key: "7.5" value: "t4.onnx" }
    parameters { key: "EXECUTION_ENV_PATH" value { string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz" } }
    dynamic_batching { preferred_batch_size: [ 4, 8 ] }
    """
    notes = " / ".join(model(tmp_path / "m", IDENTITY.format(extra) + IO).notes)
    for part in (
        "gpu_execution_accelerator (tensorrt) is without effect",
        "optimization.cuda is without effect",
        "instance_group.rate_limiter is without effect",
        "instance_group.host_policy is without effect",
        "cc_model_filenames is without effect",
        "EXECUTION_ENV_PATH ($$TRITON_MODEL_DIRECTORY/env.tar.gz) is without effect",
        "dynamic_batching.preferred_batch_size is without effect",
    ):
        assert part in notes
