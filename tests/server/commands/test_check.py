"""`serve check`: a table that is right, on a machine where everything works and on one where nothing does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from paddle_serving_client.model_config import SERVER_CONFIG
from tests.serving import ROOT


def check(*words: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "paddle_serving_server.serve", "check", *words],
        capture_output=True,
        text=True,
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SERVING_HOME": str(home), **environment},
        timeout=110,
        stdin=subprocess.DEVNULL,
    )


def test_every_library_that_is_installed_serves_a_model(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        sock.listen()
        port = sock.getsockname()[1]
        done = check("check_all", "--port", str(port), home=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {line[:24].strip(): line[24:] for line in done.stdout.splitlines()}
    assert lines["Python"].startswith("ok       3.")
    assert lines["numpy"].startswith("ok ")
    assert lines[f"Port {port}"] == "-        Address already in use; serve on another with --port"
    assert lines["paddle"].startswith("ok       18.901152 over RPC and HTTP; ready after ")
    assert "This machine can serve models, with " in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_libraries_that_are_broken_are_said_to_be(tmp_path: Path) -> None:
    """A package that cannot be imported, as after an upgrade that went wrong."""
    broken = tmp_path / "broken"
    for name in ("paddle", "onnxruntime", "openvino"):
        (broken / name).mkdir(parents=True)
        (broken / name / "__init__.py").write_text(f"raise ImportError('lib{name}.so.1: no such file')")
    done = check(home=tmp_path, PYTHONPATH=f"{broken}{os.pathsep}{ROOT}")
    assert done.returncode == 1, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  paddle ")]
    assert line.split()[1] == "FAILED" and "libpaddle.so.1: no such file" in line
    assert "No library could serve a model" in done.stdout


def test_without_any_library_it_says_what_to_install(tmp_path: Path) -> None:
    done = as_a_client_is_installed(tmp_path, "check")
    assert done.returncode == 1, done.stderr
    assert "No inference library is installed: pip install 'paddle-serving-next[paddle]'" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("uvloop")]
    assert line.split()[1] == "missing" and "pip install 'paddle-serving-next[server]'" in line


def test_a_server_says_so_too(tmp_path: Path) -> None:
    (tmp_path / SERVER_CONFIG).touch()  # nobody loads it here
    done = as_a_client_is_installed(tmp_path, "--model", str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: uvloop, httptools, hpack, orjson, yaml not installed: pip ")


def as_a_client_is_installed(folder: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    """`serve ARGV` where numpy and protobuf are the only packages."""
    code = (
        "import sys\n"
        "sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.path.insert(0, {str(_only(folder, 'numpy', 'google'))!r})\n"
        "from paddle_serving_server import serve\n"
        f"sys.exit(serve.main({list(argv)!r}))\n"
    )
    environment = {**os.environ, "SERVING_HOME": str(folder)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=folder)


def _only(folder: Path, *packages: str) -> Path:
    """A folder of packages with none but these."""
    import numpy

    site = Path(numpy.__file__).parents[1]
    only = folder / "site"
    only.mkdir()
    for name in packages:
        for found in (site / name, *site.glob(f"{name}.libs")):
            (only / found.name).symlink_to(found)
    return only
