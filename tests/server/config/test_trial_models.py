"""`--variant` and `--shadow`: what they may say, on the command line and in a file."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.model_config import SERVER_CONFIG
from paddle_serving_server.config import command_line
from paddle_serving_server.config.trial_models import TrialModel
from paddle_serving_server.config.values import ServerConfig


def parsed(folder: Path, *flags: str) -> ServerConfig:
    (folder / SERVER_CONFIG).touch()  # nobody loads it here
    return command_line.parse(["--model", str(folder), *flags])[0].config


def test_flags_and_a_file_say_the_same_and_reach_the_fronts(tmp_path: Path) -> None:
    said = parsed(tmp_path, "--variant", f"b={tmp_path}:12.5", "--shadow", f"uci/next={tmp_path}")
    assert said.variants == (TrialModel("", "b", str(tmp_path), 12.5),)
    assert said.shadows == (TrialModel("uci", "next", str(tmp_path), 100.0),)
    assert ServerConfig.from_json(said.to_json()) == said
    file = tmp_path / "server.yml"
    file.write_text(f"model: {tmp_path}\nvariant: ['b={tmp_path}:12.5']\nshadow: ['uci/next={tmp_path}']\n")
    assert command_line.parse(["--config", str(file)])[0].config == said


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--variant", "b"], r"\[SERVICE/\]TAG=DIR:PERCENT"),
        (["--variant", "b={}"], r"\[SERVICE/\]TAG=DIR:PERCENT"),
        (["--variant", "b={}:much"], r"\[SERVICE/\]TAG=DIR:PERCENT"),
        (["--variant", "b={}:nan"], r"\[SERVICE/\]TAG=DIR:PERCENT"),
        (["--variant", "b={}/none:10"], "there is no such file or folder"),
        (["--variant", "b={}:101"], "from 0 to 100"),
        (["--variant", "main={}:10"], "not 'main'"),
        (["--variant", "a b={}:10"], "a tag has letters"),
        (["--variant", "b={}:60", "--variant", "c={}:60"], "come to 120"),
        (["--variant", "b={}:10", "--variant", "b={}:10"], "'b' is there twice"),
        (["--shadow", "s={}:-1"], "from 0 to 100"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(tmp_path: Path, flags: list[str], reason: str) -> None:
    with pytest.raises(BadConfig, match=reason):
        parsed(tmp_path, *(flag.format(tmp_path) for flag in flags))


def test_the_port_for_prometheus_is_one_more_port_only_where_metrics_are_on(tmp_path: Path) -> None:
    assert parsed(tmp_path).extra_ports == ()
    assert parsed(tmp_path, "--enable_prometheus", "--prometheus_port", "20001").extra_ports == (20001,)
    assert parsed(tmp_path, "--enable_prometheus", "--port", "20001", "--prometheus_port", "20001").extra_ports == ()
