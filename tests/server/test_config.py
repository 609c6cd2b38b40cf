"""Flags and yaml: the same words, the same values, one clear line for what cannot be."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config import ServerConfig, parse


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "uci_housing").mkdir()
    return str(tmp_path / "uci_housing")


def config(*argv: str) -> ServerConfig:
    return parse(argv)[0].config


def test_the_tutorials_command(folder: str) -> None:
    said = config("--model", folder, "--thread", "10", "--port", "9393", "--name", "uci")
    assert (said.port, said.threads, said.fronts) == (9393, 10, 1)
    assert [(m.name, m.folder) for m in said.models] == [("uci", folder)]


def test_without_a_name_the_folder_names_the_service(folder: str) -> None:
    assert config("--model", folder).models[0].name == "uci_housing"


def test_yaml_says_the_same_as_flags(folder: str, tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.touch()
    file = tmp_path / "server.yml"
    file.write_text(
        f"model: {folder}\nname: uci\nport: 9000\nthread: 7\nbackend: paddle\nuse_trt: false\n"
        f"service: [{service}]\nbatch_wait_ms: 1.5\n"
    )
    flags = ["--model", folder, "--name", "uci", "--port", "9000", "--thread", "7", "--backend", "paddle"]
    assert config("--config", str(file)) == config(*flags, "--service", str(service), "--batch_wait_ms", "1.5")


def test_flags_win_over_yaml(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "server.yml"
    file.write_text(f"model: {folder}\nport: 9000\nthread: 7\n")
    said = config("--config", str(file), "--port", "9001")
    assert (said.port, said.threads) == (9001, 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "expected settings as 'port: 9393'"),
        ("prot: 9393\n", "unknown setting 'prot'; there are:"),
        ("port: [\n", "--config"),
        ("!!python/object/apply:os.system ['true']\n", "--config"),
    ],
)
def test_a_bad_yaml_file_is_explained(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "server.yml"
    file.write_text(text)
    with pytest.raises(BadConfig, match="server.yml") as caught:
        config("--config", str(file))
    assert words in str(caught.value)


def test_the_way_to_a_front_loses_nothing(folder: str) -> None:
    said = config("--model", folder, "--gpu_ids", "1", "--max_body_size", "1000", "--", "a", "b")
    assert said.options.gpu_id == 1
    assert said.service_argv == ("a", "b")
    assert ServerConfig.from_json(said.to_json()) == said


def test_old_flags_are_understood_and_said_to_do_nothing(folder: str) -> None:
    command, warnings = parse(["--model", folder, "--use_mkl", "--mem_optim", "--workdir", "w", "--ir_optim", "True"])
    assert command.verb == "start"
    assert [w.partition(" ")[0] for w in warnings] == ["--workdir", "--use_mkl", "--mem_optim_off"]


@pytest.mark.parametrize(
    ("gpu_ids", "expected"), [([], None), (["-1"], None), (["0"], 0), (["2"], 2), (["0,0"], 0), ([""], None)]
)
def test_gpu_ids(folder: str, gpu_ids: list[str], expected: int | None) -> None:
    flags = ["--gpu_ids", *gpu_ids] if gpu_ids else []
    assert config("--model", folder, *flags).options.gpu_id == expected


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--gpu_ids", "-2"], "The input of gpuid error"),
        (["--gpu_ids", "0,-1"], "You can not use CPU and GPU in one model"),
        (["--gpu_ids", "0,1"], "one GPU"),
        (["--port", "0"], "--port must be from 1 to 65535, got 0"),
        (["--precision", "fp8"], "--precision"),
        (["--backend", "nope"], "--backend must be one of"),
        (["--batch_infer_size", "0"], "--batch_infer_size"),
    ],
)
def test_impossible_values_are_named(folder: str, flags: list[str], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        config("--model", folder, *flags)
    assert words in str(caught.value)


def test_stop_takes_a_port_or_none() -> None:
    assert (parse(["stop"])[0].verb, parse(["stop"])[0].port) == ("stop", None)
    assert parse(["kill", "--port", "9393"])[0].port == 9393


def test_what_decides_how_a_model_is_run(folder: str) -> None:
    said = config("--model", folder)
    assert (said.options.backend, said.max_rows, said.tune_s) == ("", 0, 10.0)
    assert config("--model", folder, "--backend", "auto") == said
    said = config("--model", folder, "--backend", "openvino", "--batch_infer_size", "4", "--tune", "off")
    assert (said.options.backend, said.max_rows, said.tune_s) == ("openvino", 4, 0.0)
    assert config("--model", folder, "--tune_s", "2.5").tune_s == 2.5
    with pytest.raises(BadConfig, match="--tune must be load or off, got on"):
        config("--model", folder, "--tune", "on")
