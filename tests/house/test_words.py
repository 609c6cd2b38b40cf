"""What is written nowhere: ways to run what a caller sent, paths of one machine, addresses of package registries."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.test_imports import PACKAGES
from tests.serving import ROOT

UNSAFE_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
UNSAFE_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "subprocess.getoutput", "subprocess.getstatusoutput",
}  # fmt: skip
UNSAFE_ARGUMENTS = {"allow_pickle", "shell"}
FOLDERS = ["work", "root", "home/somebody", "Users/Somebody", "workspace", "mnt"]
"""Where machines keep what is theirs."""
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|workspace|mnt)/")
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|/simple/|--(?:extra-)?index-url|registry\.\w+\.|docker\.io|ghcr\.io|quay\.io"
    r"|mirrors?\.\w+\.|bcebos\.com|npmjs|anaconda\.org",
    re.IGNORECASE,
)


def project_files(*which: str) -> Iterator[Path]:
    """The project's files: `--cached`, what git tracks; `--others`, what it would if it were told."""
    command = ["git", "ls-files", "-z", "--exclude-standard", *which]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    yield from (ROOT / name for name in listed if name and (ROOT / name).is_file())


def texts() -> Iterator[tuple[Path, str]]:
    """The project's text files, but for this one."""
    for path in project_files("--cached", "--others"):
        raw = path.read_bytes()
        if b"\0" not in raw[:4096] and path != Path(__file__).resolve():
            yield path, raw.decode("utf-8", "replace")


def unsafe(source: str) -> list[str]:
    """What could run, or unpickle, something that a caller sent."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in UNSAFE_MODULES]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found += [module] if module.partition(".")[0] in UNSAFE_MODULES else []
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found += [called] if called in UNSAFE_CALLS else []
            for keyword in node.keywords:
                is_off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                found += [f"{keyword.arg}="] if keyword.arg in UNSAFE_ARGUMENTS and not is_off else []
    return found


def test_the_packages_run_nothing_that_came_with_a_request() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if not path.name.endswith("_pb2.py"):
                assert unsafe(path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml; yaml.load(text)",
        "import numpy; numpy.load(file, allow_pickle=True)",
        "import subprocess; subprocess.run(text, shell=True)",
        "eval(text)",
        "exec(text)",
        "import os; os.system(text)",
    ],
)
def test_an_unsafe_line_is_found(line: str) -> None:
    assert unsafe(line)


@pytest.mark.parametrize("line", ["layer.eval()", "np.load(file, allow_pickle=False)", "yaml.safe_load(text)"])
def test_a_safe_line_is_not(line: str) -> None:
    assert unsafe(line) == []


def test_no_path_of_one_machine_and_no_registry_is_written_down() -> None:
    files = list(texts())
    assert len(files) > 100
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in files
        for pattern in (MACHINE_PATHS, REGISTRIES)
        for match in pattern.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        *[(MACHINE_PATHS, f"see /{folder}/x") for folder in FOLDERS],
        *[(MACHINE_PATHS, f'"/{folder}/.cache"') for folder in FOLDERS],
        *[(MACHINE_PATHS, f"/{folder}/x") for folder in FOLDERS],
        (REGISTRIES, "pip install -i https://pypi.org/simple/"),
        (REGISTRIES, "https://paddle.bcebos.com/x.whl"),
        (REGISTRIES, "FROM ghcr.io/x"),
    ],
)
def test_such_a_word_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
