"""`paddle-serving`: the subcommands, asking once, and the wheel that carries it all."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import urllib3

from paddle_serving_client import __version__
from paddle_serving_server.commands import console, predict
from tests.serving import HTTP, ROOT, Server, free_port

CODE = "import sys; from paddle_serving_server.commands import console; sys.exit(console.main())"
PADDLE_SERVING = [sys.executable, "-c", CODE]
"""What the installed command does."""
ZEROS = ",".join(["0"] * 13)
PRICE = 22.738298416137695


def test_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main(["--help"]) == 0
    said = capsys.readouterr().out
    for name in ("serve", "page", "convert", "predict", "tune", "bench", "trace", "check"):
        assert f"\n  {name} " in said
    assert console.main([]) == console.EXIT_USAGE
    assert console.main(["--version"]) == 0
    assert capsys.readouterr().out.endswith(f"paddle-serving {__version__}\n")


def test_what_is_not_there_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main(["srve"]) == console.EXIT_USAGE
    assert "there is no command 'srve'; did you mean serve?" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["serve", "page", "convert", "predict", "tune", "bench", "trace"])
def test_each_explains_itself_by_its_own_name(name: str) -> None:
    done = subprocess.run([*PADDLE_SERVING, name, "--help"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"usage: paddle-serving {name}" in done.stdout


def test_help_and_a_question_import_no_library_that_serves() -> None:
    code = (
        "import sys; from paddle_serving_server.commands import console, predict; console.main(['--help']);"
        "print([name for name in ('uvloop', 'cv2', 'onnxruntime', 'flask', 'orjson') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = predict.main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_service_is_asked_once(uci_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = f"127.0.0.1:{uci_server.port}/uci"
    whole = tmp_path / "body.json"
    whole.write_text(json.dumps({"feed": [{"x": [0] * 13}]}))
    for words in (
        [at, f"x={ZEROS}"],
        [f"http://{at}/prediction", f"x=[{ZEROS}]", "--fetch", "price"],
        [at, "--json", str(whole)],
    ):
        status, out, _ = asked(capsys, *words)
        assert (status, json.loads(out)) == (0, {"result": {"price": [[PRICE]]}})


def test_what_goes_wrong_has_its_status(uci_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    at = f"127.0.0.1:{uci_server.port}/uci"
    for words, expected, text in (
        ([at, "x=1,2"], 1, "an instance of it [13], got [2]"),
        ([at], 2, "what is to be asked?"),
        ([at, "x"], 2, "an input is NAME=VALUE"),
        ([at, "x=@/no/such"], 2, "cannot be read"),
        ([at, "x=@a", "y=1"], 2, "a file is sent alone"),
        (["127.0.0.1:1", "x=1"], 2, "a service is HOST:PORT/NAME"),
        (["127.0.0.1:abc/uci", "x=1"], 2, "a service is HOST:PORT/NAME"),
        (["127.0.0.1:99999/uci", "x=1"], 2, "a service is HOST:PORT/NAME"),
        ([at, "x=NaN"], 1, "got text"),
        ([f"127.0.0.1:{free_port()}/uci", "x=1"], 3, "no answer from"),
    ):
        status, out, err = asked(capsys, *words)
        assert (status, out, text in err) == (expected, "", True), err


def test_the_wheel_serves_asks_and_has_the_page(tmp_path: Path, uci_folder: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    shipped = site / "paddle_serving_server" / "shipped"
    for file in ("web_service/ui.py", "web_service/templates/page.html", "static/js/main.js", "convert/uci_housing.py"):
        assert (shipped / file).is_file(), file
    assert not list(site.rglob("__pycache__"))
    elsewhere = {**os.environ, "PYTHONPATH": str(site)}
    where = "import paddle_serving_server as s; print(s.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], env=elsewhere, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(site) in found.stdout
    port = free_port()
    said = subprocess.run([*PADDLE_SERVING, "--help"], env=elsewhere, cwd=tmp_path, capture_output=True, text=True)
    assert "paddle-serving COMMAND" in said.stdout
    at = free_port()
    serving = subprocess.Popen(
        [*PADDLE_SERVING, "serve", f"uci={uci_folder}", "--port", str(at)], env=elsewhere, cwd=tmp_path
    )
    page = subprocess.Popen(
        [*PADDLE_SERVING, "page", "--port", str(port), "--server", f"http://127.0.0.1:{at}"],
        env=elsewhere,
        cwd=tmp_path,
    )
    try:
        _wait_for(at, "/docs")
        _wait_for(port, "/")
        asked = [*PADDLE_SERVING, "predict", f"127.0.0.1:{at}/uci", f"x={ZEROS}"]
        done = subprocess.run(asked, env=elsewhere, cwd=tmp_path, capture_output=True, check=True)
        assert json.loads(done.stdout) == {"result": {"price": [[PRICE]]}}
    finally:
        for process in (page, serving):
            process.terminate()
            process.wait()


def _wait_for(port: int, path: str) -> None:
    """Until it is answered well."""
    until = time.monotonic() + 30
    while True:
        try:
            status = HTTP.request("GET", f"http://127.0.0.1:{port}{path}", retries=False).status
        except urllib3.exceptions.HTTPError:
            status = 0
        if status == 200:
            return
        assert time.monotonic() < until, status
        time.sleep(0.1)
