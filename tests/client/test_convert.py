"""The command: exit codes, one clear line, what is printed."""

import subprocess
import sys
from pathlib import Path

import pytest

from paddle_serving_client import convert, model_config
from tests.client.io import trained


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return trained.paddle1(tmp_path / "m")


def test_as_scripts_call_it(tmp_path: Path, model: Path) -> None:
    flags = "--dirname m --model_filename __model__ --serving_server S --serving_client C --fetch_alias_names price"
    flags += " --onnx_form false"
    done = subprocess.run(
        [sys.executable, "-m", "paddle_serving_client.convert", *flags.split()],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "read Paddle 1 program: __model__, fc_0.b_0, fc_0.w_0",
        "  feed  x: float32 [13]",
        "  fetch price (in the model: fc_0.tmp_1): float32 [1]",
        "wrote S and C",
    ]
    assert (tmp_path / "S" / "__model__").exists() and (tmp_path / "C" / model_config.CLIENT_CONFIG).exists()


def test_default_folders(tmp_path: Path, model: Path) -> None:
    assert convert.main(["--dirname", "m"]) == 0
    assert {"serving_server", "serving_client"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "flag", [["--show_proto"], ["--show_proto", "true"], ["--show_proto=True"], ["--show_proto", "1"]]
)
def test_show_proto(tmp_path: Path, model: Path, flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert convert.main(["--dirname", "m", *flag]) == 0
    assert capsys.readouterr().out.startswith("feed_var {\n")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("value", ["False", "false", "0", "no", ""])
def test_show_proto_false_means_false(tmp_path: Path, model: Path, value: str) -> None:
    assert convert.main(["--dirname", "m", "--show_proto", value]) == 0
    assert (tmp_path / "serving_server").is_dir()


def test_show_proto_with_another_word(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        convert.main(["--dirname", "m", "--show_proto", "maybe"])
    assert "'maybe' is neither true nor false" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dirname", "none"], "convert: none: there is no such file or folder"),
        (["--dirname", "m", "--model_filename", "x"], "convert: m has no file 'x': it holds __model__"),
        (["--dirname", "m", "--feed_alias_names", "a,b"], "convert: please check the input --feed_alias_names"),
        (["--dirname", "m", "--serving_server", "m/__model__"], "convert: m/__model__ is a file; a folder"),
        (["--dirname", "m", "--serving_server", "m/__model__/s"], "convert: [Errno 20] Not a directory"),
        (["--dirname", "m", "--params_filename", "__model__"], "convert: m/__model__: at parameter 'fc_0.b_0'"),
    ],
)
def test_refusals_are_one_line_and_exit_1(
    tmp_path: Path, model: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = trained.tree(tmp_path)
    assert convert.main(flags) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(message) and captured.err.count("\n") == 1 and captured.out == ""
    assert trained.tree(tmp_path) == before and [path.name for path in tmp_path.iterdir()] == ["m"]


def test_terminal_without_the_letters(tmp_path: Path, model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "paddle_serving_client.convert", "--dirname", "m", "--fetch_alias_names", "价格"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and r"fetch \u4ef7\u683c (in the model: fc_0.tmp_1)" in done.stdout


def test_dirname_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        convert.main([])
    assert "--dirname" in capsys.readouterr().err


def test_lod_inputs_are_said(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = trained.paddle1_program()
    program.blocks[0].vars[4].type.lod_tensor.lod_level = 1
    (model / "__model__").write_bytes(program.SerializeToString())
    assert convert.main(["--dirname", "m"]) == 0
    assert "  feed  x: float32 LoD\n" in capsys.readouterr().out
