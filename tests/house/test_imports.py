"""Importing has no effect beyond definitions, and a client pays for nothing but numpy and protobuf."""

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import ROOT

PACKAGES = ("paddle_serving_client", "paddle_serving_app", "paddle_serving_server", "paddle_serving_server_gpu")
_SMALL = "ml_dtypes"
"""bfloat16, where it is installed: some milliseconds."""

_WATCH = """
import importlib, json, logging, os, signal, sys, threading, warnings

def state():
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    # NullHandler is what libraries are told to add: it does nothing.
    handlers = [f"{log.name}: {h}" for log in loggers for h in log.handlers if not isinstance(h, logging.NullHandler)]
    return {
        "thread": [thread.name for thread in threading.enumerate()],
        "log handler": handlers,
        "log level": [logging.getLogger().level],
        "signal handler": [f"{n}: {signal.getsignal(n)}" for n in sorted(signal.valid_signals())],
        "file": sorted(os.path.join(*found) for where in (".", os.environ["HOME"]) for found in walk(where)),
        "environment": sorted((k, v) for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"),  # OpenCV adds to it
        "import path": list(sys.path),
    }

def walk(where):
    return [(folder, name) for folder, folders, files in os.walk(where) for name in (*folders, *files)]

warnings.simplefilter("error")
for name in sys.argv[1:]:
    before = state()
    importlib.import_module(name)
    after = state()
    for kind in before:
        if before[kind] != after[kind]:
            print(json.dumps([name, kind, [x for x in after[kind] if x not in before[kind]]]))
"""


def modules_of(package: str) -> list[str]:
    """All modules of a package, without importing any."""
    infos = pkgutil.walk_packages([str(ROOT / package)], f"{package}.", onerror=lambda name: None)
    return [package, *(info.name for info in infos)]


def run(code: str, *arguments: str, folder: Path, imports: Path = ROOT) -> str:
    """Run Python in an empty folder, with an empty home."""
    here, home = folder / "here", folder / "home"
    here.mkdir()
    home.mkdir()
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{imports}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-P", "-c", code, *arguments]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def effects(*modules: str, folder: Path, imports: Path = ROOT) -> list[object]:
    """What importing did besides defining: [module, kind of effect, what is new]."""
    said = run(_WATCH, *modules, folder=folder, imports=imports)
    return [json.loads(line) for line in said.splitlines()]


def test_importing_any_module_has_no_effect(tmp_path: Path) -> None:
    modules = [name for package in PACKAGES for name in modules_of(package)]
    assert len(modules) > 50
    assert effects(*modules, folder=tmp_path) == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("open('made', 'w').close()", "file"),
        ("import os; os.mkdir(os.path.expanduser('~/made'))", "file"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "thread"),
        ("import logging; logging.basicConfig()", "log handler"),
        ("import logging; logging.getLogger('a.b').addHandler(logging.StreamHandler())", "log handler"),
        ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", "signal handler"),
        ("import os; os.environ['MADE'] = '1'", "environment"),
        ("import sys; sys.path.insert(0, '.')", "import path"),
    ],
)
def test_an_effect_is_found(tmp_path: Path, line: str, kind: str) -> None:
    (tmp_path / "has_effect.py").write_text(line)
    assert kind in {found[1] for found in effects("has_effect", folder=tmp_path, imports=tmp_path)}  # type: ignore[index]


@pytest.mark.parametrize("line", ["import paddle_serving_client", "from paddle_serving_client import Client; Client()"])
def test_a_client_imports_nothing_heavier_than_numpy_and_protobuf(tmp_path: Path, line: str) -> None:
    said = run(f"import sys; {line}; print(*sys.modules)", folder=tmp_path).split()
    foreign = {name.partition(".")[0] for name in said} - set(sys.stdlib_module_names)
    assert {name for name in foreign if not name.startswith("_")} <= {
        "paddle_serving_client",
        "numpy",
        "google",
        _SMALL,
    }


def test_a_front_imports_no_inference_library(tmp_path: Path) -> None:
    said = run("import sys, paddle_serving_server.front.process; print(*sys.modules)", folder=tmp_path).split()
    assert not {"paddle", "onnxruntime", "openvino", "cv2"} & set(said)
