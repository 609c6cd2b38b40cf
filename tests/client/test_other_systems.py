"""Clients run where there is no Linux and where nothing but numpy and protobuf is installed."""

import subprocess
import sys

from tests.client import captured
from tests.client.http_replay import Answer, http_replay
from tests.house.test_imports import modules_of

_AS_ON_WINDOWS = """
import asyncio, concurrent.futures.thread, http.client, importlib, logging, os, socket, ssl, subprocess, sys, tempfile
import google.protobuf.text_format, numpy, urllib.request

for name in ("fcntl", "grp", "pwd", "resource", "termios", "uvloop"):
    sys.modules[name] = None
for module, names in {
    os: ("fork", "memfd_create", "register_at_fork", "sched_getaffinity", "getuid"),
    socket: ("AF_UNIX", "SCM_RIGHTS", "SO_REUSEPORT"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "win32"
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
_WITHOUT_EXTRAS = """
import sys

for name in ("orjson", "grpc", "cryptography", "urllib3", "yaml", "paddle", "onnx", "ml_dtypes"):
    sys.modules[name] = None
from paddle_serving_client import Client, HttpClient, metric, multilang, utils, version

client = HttpClient(as_numpy=True, raise_errors=True)
client.load_client_config(sys.argv[1])
client.connect(sys.argv[2])
client.set_http_proto(False)
print(client.predict(feed={"x": [0.5] * 13}, fetch="price"))
"""
_WITHOUT_BFLOAT16 = """
import sys

sys.modules["ml_dtypes"] = None
import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType
from paddle_serving_client.wire import tensors

assert dtype.numpy_of(6) is None and dtype.code_of(dtype.BFLOAT16) == dtype.code_of("V2") == dtype.UNKNOWN
assert not any(row.numpy == dtype.BFLOAT16 for row in dtype.ELEM_TYPES.values() if row.numpy is not None)
try:
    tensors.checked_type("x", 6, [])
except BadDType as exc:
    print(exc)
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_imports_without_what_only_unix_has() -> None:
    modules = modules_of("paddle_serving_client")
    assert len(modules) > 30
    run(_AS_ON_WINDOWS, *modules)


def test_clients_work_with_numpy_and_protobuf_alone() -> None:
    reply = b'{"outputs":[{"tensor":[{"float_data":[1.5],"elem_type":1,"shape":[1,1],"alias_name":"price"}]}]}'
    with http_replay(lambda asked: Answer(reply)) as server:
        said = run(_WITHOUT_EXTRAS, captured.config("uci"), server.endpoint)
    assert said.strip() == "{'price': array([[1.5]], dtype=float32)}"


def test_bfloat16_says_what_it_needs() -> None:
    assert run(_WITHOUT_BFLOAT16).strip() == "x: elem_type 6 (bfloat16) cannot be served: pip install ml-dtypes"
