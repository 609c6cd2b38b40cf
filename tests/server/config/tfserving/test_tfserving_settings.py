"""models.config, batching parameters and the command line of TensorFlow Serving."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.tfserving import command_line, files
from paddle_serving_server.config.tfserving.values import All, BatchingParameters, Latest, ModelEntry, Specific

DIALECTS = """
# several ways in which people write it
model_config_list: {
  config: [
    {
      name: 'plants',
      base_path: '/models/plants',
      model_platform: 'tensorflow',
      model_version_policy: {all: {}}
    },
    {
      name: "half" base_path: "/other/half" model_platform: "tensorflow"
      model_version_policy { specific { versions: 42 versions: 43 } }
      version_labels { key: "stable" value: 42 }
      version_labels { key: 'canary', value: 43 }
    }
  ]
  config { name: "plain" base_path: "relative" }
  config { name: "two" base_path: "/models/two" model_version_policy { latest { num_versions: 2 } } }
}
"""


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_models_are_read_in_every_dialect(tmp_path: Path) -> None:
    found = files.models(written(tmp_path / "models.config", DIALECTS), [("/models", "here")])
    assert found == (
        ModelEntry(name="plants", base_path="here/plants", policy=All()),
        ModelEntry(
            name="half", base_path="/other/half", policy=Specific((42, 43)), labels={"stable": 42, "canary": 43}
        ),
        ModelEntry(name="plain", base_path="relative", policy=Latest(1)),
        ModelEntry(name="two", base_path="here/two", policy=Latest(2)),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_config_list { config { model platform: 'x' } }", 'line 1:30 : '),
        ("model_config_list { config { base_path: ${HOME} } }", "; ${HOME} is for a program that fills it in before"),
        ("", "model_config_list must have 1 to 4096 models, got 0"),
        ("model_config_list { config { base_path: '/m' } }", "a model's name has letters, digits"),
        ("model_config_list { config { name: 'm' } }", "model 'm' has no base_path"),
        ("model_config_list { config { name: 'm' base_path: 's3://b/m' } }", "base_path 's3://b/m' is elsewhere"),
        (
            "model_config_list { config { name: 'm' base_path: 'a' } config { name: 'm' base_path: 'b' } }",
            "model 'm' is there more than once",
        ),
        (
            "model_config_list { config { name: 'm' base_path: 'a' model_version_policy { specific { } } } }",
            "model 'm': specific must have versions, each once, got []",
        ),
        (
            "model_config_list { config { name: 'm' base_path: 'a' version_labels { key: 'a b' value: 1 } } }",
            "model 'm': a label is letters, digits and _",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path / "models.config", text)
    with pytest.raises(BadConfig) as raised:
        files.models(path)
    assert words in str(raised.value) and str(raised.value).startswith(path)
    with pytest.raises(BadConfig, match="none cannot be read: No such file"):
        files.models(str(tmp_path / "none"))


def test_batching_parameters(tmp_path: Path) -> None:
    text = "max_batch_size { value: 8 } batch_timeout_micros: {value: 0} num_batch_threads { value: 4 }"
    found = files.batching(
        written(tmp_path / "b", text + " allowed_batch_sizes: [2, 8] pad_variable_length_inputs: true")
    )
    assert found == BatchingParameters(
        max_batch_size=8,
        batch_timeout_micros=0,
        num_batch_threads=4,
        allowed_batch_sizes=(2, 8),
        pads_variable_length_inputs=True,
    )
    for wrong, words in (
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1, got 0"),
        ("allowed_batch_sizes: [8, 2]", "allowed_batch_sizes must be rising"),
        (text + "allowed_batch_sizes: 4", "the last of allowed_batch_sizes must be max_batch_size, which is 8, got 4"),
        ("max_batch: 3", "line 1:1 : "),
    ):
        with pytest.raises(BadConfig, match=words):
            files.batching(written(tmp_path / "b", wrong))


def test_flags(tmp_path: Path) -> None:
    words = "--rest_api_port=8601 --port=8600 --model_name=half --model_base_path=/models/half --enable_batching"
    words += f" --batching_parameters_file={written(tmp_path / 'b', 'max_batch_size { value: 8 }')}"
    monitoring = written(tmp_path / "m", "prometheus_config { enable: true }")
    words += f" --monitoring_config_file {monitoring} --rest_api_timeout_in_ms=500 --file_system_poll_wait_seconds=0"
    words += f" --tensorflow_inter_op_parallelism=2 --enable_model_warmup --map /models={tmp_path}"
    found = command_line.parse(words.split(), {})
    assert (found.rest_port, found.grpc_port) == (8601, 8600)
    assert found.models == (ModelEntry(name="half", base_path=f"{tmp_path}/half"),)
    assert (found.is_batching, found.batching.max_batch_size) == (True, 8)
    assert (found.monitoring_path, found.rest_timeout_s) == ("/monitoring/prometheus/metrics", 0.5)
    assert found.version_poll_s == 0
    assert [note.split()[0] for note in found.notes] == ["--enable_model_warmup", "--tensorflow_inter_op_parallelism"]
    config = written(tmp_path / "models.config", DIALECTS)
    several = command_line.parse([f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=60"], {})
    assert (len(several.models), several.config_poll_s, several.model_config_file) == (4, 60, config)


def test_the_variables_of_its_image_count() -> None:
    variables = {"MODEL_BASE_PATH": "/models/barcamp2024-onnx", "MODEL_NAME": "barcamp2024-model-tensorflow"}
    found = command_line.parse(["--map", "/models/barcamp2024-onnx=saved"], variables)
    name = "barcamp2024-model-tensorflow"
    assert found.models == (ModelEntry(name=name, base_path=f"saved/{name}"),)
    assert command_line.parse([], {"MODEL_NAME": "m"}).models[0].base_path == "/models/m"
    assert command_line.parse(["--model_name=x", "--model_base_path=y"], variables).models[0].base_path == "y"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "--model_base_path, or --model_config_file, says where the models are; both are missing"),
        (["--port=0", "--rest_api_port=0"], "nobody could ask"),
        (["--port=70000"], "--port must be 0 to 65535, got 70000"),
        (["--batching_parameters_file=b"], "--batching_parameters_file needs --enable_batching"),
        (["--rest_api_timeout_in_ms=-1"], "--rest_api_timeout_in_ms must be at least 0, got -1"),
        (["--model_base_path=gs://b/m"], "base_path 'gs://b/m' is elsewhere"),
    ],
)
def test_wrong_flags_are_named(words: list[str], error: str) -> None:
    with pytest.raises(BadConfig) as raised:
        command_line.parse(words, {})
    assert error in str(raised.value)
