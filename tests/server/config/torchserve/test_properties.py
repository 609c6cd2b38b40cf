"""config.properties and the command line of TorchServe."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config import container_paths
from paddle_serving_server.config.torchserve import command_line, java_properties, properties
from paddle_serving_server.config.torchserve.values import ALL, Address, Cors, LoadModel, Tls, TorchServeConfig

USUAL = r"""
# what most people have
inference_address=http://0.0.0.0:8080
management_address = http://127.0.0.1:9081
metrics_address=https://[::]:8082
grpc_inference_port=7000
number_of_netty_threads=32
job_queue_size=1000
install_py_dep_per_model=True
model_store=/home/model-server/model-store
cors_allowed_origin=*
cors_allowed_methods=GET, POST, PUT, OPTIONS
default_response_timeout=900
max_request_size=26214400
disable_token_authorization=true
private_key_file=key.pem
certificate_file=cert.pem
batch_size=4
models={\
  "triangle": {\
    "1.0": {\
        "defaultVersion": true,\
        "marName": "triangle.mar",\
        "minWorkers": 1,\
        "maxWorkers": 2,\
        "batchSize": 5,\
        "maxBatchDelay": 50,\
        "job_queue_size": 7\
    }\
  }\
}
"""


def parsed(text: str, **environment: str) -> TorchServeConfig:
    return properties.parse(text, environment, "config.properties")


def test_what_people_write_is_read() -> None:
    found = parsed(USUAL)
    assert (found.inference, found.management) == (Address("0.0.0.0", 8080), Address("127.0.0.1", 9081))
    assert (found.metrics, found.grpc_inference) == (Address("::", 8082, True), Address("127.0.0.1", 7000))
    assert not found.inference.is_local and found.management.is_local
    assert (found.job_queue_size, found.response_timeout_s, found.max_request_bytes) == (1000, 900, 26214400)
    assert (found.installs_requirements, found.needs_tokens, found.has_model_api) == (True, False, False)
    assert found.cors == Cors(origin="*", methods=("GET", "POST", "PUT", "OPTIONS"))
    assert found.tls == Tls(private_key_file="key.pem", certificate_file="cert.pem")
    triangle = found.models["triangle"]["1.0"]
    assert (triangle.archive, triangle.is_default) == ("triangle.mar", True)
    settings = triangle.settings
    assert (settings.min_workers, settings.max_workers, settings.batch_size) == (1, 2, 5)
    assert (settings.max_batch_delay_ms, settings.job_queue_size) == (50, 7)
    assert found.notes == (
        "config.properties: number_of_netty_threads has no effect: --fronts says how many processes accept connections",
        "config.properties: batch_size is no setting of TorchServe's",
    )


def test_nothing_is_the_defaults_of_torchserve() -> None:
    assert parsed("") == TorchServeConfig()
    assert TorchServeConfig().max_request_bytes == 6_553_500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", ALL),
        ("none", ()),
        ("a.mar, b=sub/b.mar", (LoadModel("a.mar"), LoadModel("sub/b.mar", "b"))),
    ],
)
def test_models_to_load(text: str, expected: object) -> None:
    assert parsed(f"load_models={text}").load_models == expected


def test_a_snapshot_says_which_models_there_were() -> None:
    text = r'model_snapshot={"name": "startup.cfg", "modelCount": 1, "models": {"m": {"2": {"marName": "x.mar"}}}}'
    assert parsed(text).models["m"]["2"].archive == "x.mar"
    both = parsed(text + '\nmodels={"n": {"1": {}}}')
    assert list(both.models) == ["n"] and both.models["n"]["1"].archive == "n.mar"


def test_variables_count_where_the_file_lets_them() -> None:
    variables = {"TS_JOB_QUEUE_SIZE": "5", "TS_MODEL_STORE": "/there", "TS_OTHER": "x"}
    assert parsed("model_store=here", **variables).model_store == "here"
    found = parsed("enable_envvars_config=true\nmodel_store=here", **variables)
    assert (found.model_store, found.job_queue_size) == ("/there", 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inference_address=0.0.0.0:8080", "inference_address must be like http://127.0.0.1:8080"),
        ("inference_address=http://a:99999", "inference_address must be like"),
        ("management_address=unix:/tmp/x", "sockets of the file system are not listened on"),
        ("grpc_inference_port=70000", "grpc_inference_port must be at most 65535"),
        ("job_queue_size=many", "job_queue_size must be a whole number of at least 1, got 'many'"),
        ("enable_model_api=perhaps", "enable_model_api must be true or false, got 'perhaps'"),
        ("metrics_mode=loud", "metrics_mode must be one of log, prometheus, legacy"),
        ("load_models=a.mar,=b.mar", "load_models: ARCHIVE or NAME=ARCHIVE is expected"),
        ("models={\n  'a': 1", "models is not JSON; every line of it but the last must end with a backslash"),
        ('models={"m": {"1": {"batchSize": 0}}}', "models: m: 1: batchSize must be a whole number of at least 1"),
        (
            'models={"m": {"1": {"defaultVersion": true}, "2": {"defaultVersion": true}}}',
            "models: m: more than one version is the default",
        ),
        ("private_key_file=k", "private_key_file and certificate_file belong together"),
        (r"model_store=\u12", "line 1: "),
    ],
)
def test_what_is_wrong_is_named_by_its_key(text: str, words: str) -> None:
    with pytest.raises(BadConfig) as raised:
        parsed(text)
    assert words in str(raised.value) and str(raised.value).startswith("config.properties: ")


def test_lines_of_java() -> None:
    text = "a=1\r\n  b : 2\n! no\n#c=3\nd e f\nkey\\ with\\:x = \\\n   go \\\n on\nu=\\u00e9\\t.\n"
    text += "empty=\npath=C:\\\\x\na=9\nend=\\"
    assert java_properties.parse(text, "f") == {
        "a": "9", "b": "2", "d": "e f", "key with:x": "go on", "u": "é\t.", "empty": "", "path": "C:\\x", "end": "",
    }  # fmt: skip


def test_a_command_with_a_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.properties").write_text("model_store=elsewhere\ninference_address=http://0.0.0.0:9001\n")
    words = "--start --ncs --ts-config config.properties --model-store . --models barcamp2024-model-pytorch.mar n=x.mar"
    found = command_line.parse(words.split(), {})
    assert (found.verb, found.is_foreground, found.snapshots) == ("start", False, "")
    assert (found.config.model_store, found.config.inference.port) == (".", 9001)
    assert found.config.load_models == (LoadModel("barcamp2024-model-pytorch.mar"), LoadModel("x.mar", "n"))
    assert found.config.needs_tokens and not found.config.has_model_api
    (tmp_path / "config.properties").write_text("enable_envvars_config=true")
    words = "--model-store . --models all --disable-token-auth --enable-model-api --foreground --log-config x"
    found = command_line.parse(words.split(), {"TS_MODEL_STORE": "/models/store"})
    assert (found.config.model_store, found.config.load_models) == ("/models/store", ALL)  # variables count most
    assert (found.config.needs_tokens, found.config.has_model_api, found.is_foreground) == (False, True, True)
    assert "--log-config has no effect" in found.config.notes[-1]
    assert command_line.parse(["--stop"], {}).verb == "stop"


def test_paths_of_a_container_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.properties").write_text("model_store=/home/model-server/model-store\nload_models=all")
    words = ["--ts-config", "/conf/c.properties", "--map", f"/conf={tmp_path}", "--map", "/home/model-server=here"]
    assert command_line.parse(words, {}).config.model_store == "here/model-store"
    assert container_paths.here("/home/model-servers/x", [("/home/model-server", "here")]) == "/home/model-servers/x"
    with pytest.raises(BadConfig, match="--map: /PATH/THERE=FOLDER is expected, got 'models=x'"):
        command_line.parse(["--map", "models=x"], {})
    with pytest.raises(BadConfig, match="--model-store says where the models are"):
        command_line.parse(["--start"], {})
