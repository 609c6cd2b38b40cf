"""Flags and yaml: the same words, the same values, one clear line for what cannot be."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.model_config import SERVER_CONFIG
from paddle_serving_server.config.command_line import parse
from paddle_serving_server.config.flags import parser
from paddle_serving_server.config.values import ServerConfig


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "uci_housing").mkdir()
    (tmp_path / "uci_housing" / SERVER_CONFIG).touch()  # nobody loads it here
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
        (["--golden", "none.npz"], "--golden none.npz: there is no such file"),
        (["--golden", "-", "-"], "--golden takes one file for each of 1 models, - for none; got 2"),
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
    assert (said.options.backend, said.max_rows, said.tune_s) == ("", 0, 20.0)
    assert config("--model", folder, "--backend", "auto") == said
    said = config("--model", folder, "--backend", "openvino", "--batch_infer_size", "4", "--tune", "off")
    assert (said.options.backend, said.max_rows, said.tune_s) == ("openvino", 4, 0.0)
    assert config("--model", folder, "--tune_s", "2.5").tune_s == 2.5
    with pytest.raises(BadConfig, match="--tune must be load or off, got on"):
        config("--model", folder, "--tune", "on")


OF_0_9 = (
    "--thread 4 --port 9393 --device cpu --gpu_ids -1 --runtime_thread_num 0 --batch_infer_size 32 --workdir workdir "
    "--use_mkl --precision FP32 --use_calib --mem_optim_off --ir_optim --max_body_size 536870912 --use_lite --use_xpu "
    "--use_ascend_cl --product_name p --container_id c --gpu_multi_stream --enable_prometheus --prometheus_port 19393 "
    "--request_cache_size 0 --use_dist_model --dist_carrier_id c --dist_cfg_file f --dist_endpoints + --dist_nranks 0 "
    "--dist_subgraph_index -1 --min_subgraph_size 3 --gpu_memory_mb 50 --cpu_math_thread_num 2 "
    "--trt_workspace_size 33554432 --trt_use_static --op GeneralInferOp"
)


def test_every_flag_of_0_9_is_taken_and_warned_about_at_most_once(folder: str) -> None:
    command, warnings = parse(["--model", folder, *OF_0_9.split()])
    assert (command.config.port, command.config.options.threads, command.config.max_rows) == (9393, 2, 32)
    warned = [w.partition(" ")[0] for w in warnings]
    assert len(warned) == len(set(warned)) == len([w for w in warnings if " has no effect: " in w])
    assert {"--workdir", "--use_xpu", "--trt_use_static", "--dist_carrier_id"} <= set(warned)
    assert {"--thread", "--op", "--cpu_math_thread_num", "--enable_prometheus"}.isdisjoint(warned)


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        (["--gpu_id", "0"], "gpu_ids", ["0"]),
        (["--mem_optim"], "mem_optim_off", True),
        (["--max", "1000"], "max_body_size", 1000),
        (["--request", "1000"], "request_cache_size", 1000),
        (["--enable", "--encryption", "12001"], "encryption_rpc_port", 12001),
        (["--prom", "1"], "prometheus_port", 1),
        (["--run", "1", "2"], "runtime_thread_num", [1, 2]),
    ],
)
def test_abbreviations_of_0_9_mean_what_they_did(said: list[str], name: str, value: object) -> None:
    assert getattr(parser().parse_args(said), name) == value


def test_what_stands_behind_a_switch_means_nothing_and_words_may_stand_anywhere(folder: str) -> None:
    for words in (
        ["True"],
        ["start"],
        ["--ir_optim", "True", "--thread", "10"],
        ["--use_mkl", "1", "--use_lite", "off"],
    ):
        command = parse([*words, "--model", folder])[0]
        assert (command.verb, len(command.config.models)) == ("start", 1)
    assert parse(["--port", "9393", "stop"])[0].verb == "stop"
    assert config("--port", "9000", "start", folder, "--thread", "7", "b=" + folder).models[1].name == "b"
    for wrong in (["stop", folder], [folder, "--no_such_flag"]):
        with pytest.raises(SystemExit) as caught:
            parse(wrong)
        assert caught.value.code == 2


@pytest.mark.parametrize("words", [["check"], ["check", "check_all"], ["check", "check_cpp", "--port", "9000"]])
def test_check_takes_the_words_of_its_old_shell(words: list[str]) -> None:
    command, _ = parse(words)
    assert (command.verb, command.port) == ("check", 9000 if "--port" in words else None)


def test_variables_of_paddle_serving(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAGS_max_body_size", "1234567")
    monkeypatch.setenv("GLOG_v", "2")
    monkeypatch.setenv("SERVING_BIN", "/opt/serving")
    command, warnings = parse(["--model", folder])
    assert (command.config.limits.max_body_bytes, command.config.log_level) == (1234567, "DEBUG")
    assert warnings == ["SERVING_BIN has no effect: there is no binary to choose"]
    said = config("--model", folder, "--max_body_size", "1000", "--log_level", "INFO")
    assert (said.limits.max_body_bytes, said.log_level) == (1000, "INFO")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert config("--model", folder, "--gpu_ids", "3").options.gpu_id == 1


def test_a_chain_has_a_value_for_each_model_or_one_for_all(folder: str) -> None:
    (served,) = config(
        "--model", folder, folder, "--gpu_ids", "0", "-1", "--batch_infer_size", "8", "--runtime_thread_num", "2", "0"
    ).models
    assert [(n.options.gpu_id, n.max_rows, n.instances) for n in served.nodes] == [(0, 8, 2), (None, 8, 0)]
    assert (served.name, served.ends) == ("uci_housing", ("GeneralInferOp_1",))
    assert ServerConfig.from_json(config("--model", folder, folder).to_json()) == config("--model", folder, folder)
    with pytest.raises(BadConfig, match="--batch_infer_size takes one number, or one for each of 2 models; got 3"):
        config("--model", folder, folder, "--batch_infer_size", "1", "2", "3")


def test_each_model_has_a_golden_sample_of_its_own(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "g.npz"
    file.touch()
    (served,) = config("--model", folder, folder, "--golden", "-", str(file)).models
    assert [node.options.golden for node in served.nodes] == ["", str(file)]
    assert (
        config("--model", folder, "--golden", str(file)).options.golden == ""
    )  # models of services have other answers
    assert config("--service", str(file)).models == ()
    with pytest.raises(BadConfig, match="--golden is for the models of --model"):
        config("--service", str(file), "--golden", str(file))


def test_handing_requests_on_is_refused(folder: str) -> None:
    with pytest.raises(BadConfig, match="give their addresses to Client.connect"):
        config("--dist_master_serving", "--dist_worker_serving_endpoints", "a:1,b:2")
