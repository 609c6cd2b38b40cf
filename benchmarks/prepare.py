"""What the benchmarks need and do not carry: models, a picture, tensors and the reference's environment.

    python benchmarks/prepare.py        # run.py does this by itself

Everything goes into .cache beside this file, once; delete it to begin anew. Weights are random: right for speed, not
for answers.
"""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = HERE / ".cache"
PYTHON = HERE / ".venv" / "bin" / "python"
"""The interpreter of the FastAPI reference and of the bare loops."""
REPLAY = CACHE / "replay"
"""The load generator."""
SIDE = 224
SHARED = ("numpy", "onnxruntime", "opencv-python-headless", "orjson", "uvloop", "httptools")
"""Libraries that the reference gets in the versions that we have."""


def main() -> None:
    """Make what is missing."""
    CACHE.mkdir(exist_ok=True)
    _make("uci.onnx", _uci)
    for name in ("mobilenet", "resnet50"):
        _make(f"{name}.onnx", partial(_network, name))
    _make("photo.jpg", _photo)
    _make("tensor.npy", _tensor)
    _make("uci.json", _uci_json)
    _make("tensor.json", _tensor_json)
    _generator()
    _tuned()
    _environment()


def folder(name: str) -> Path:
    """The served folder of a model."""
    return ROOT / "serving_model" / "uci_housing" if name == "uci" else CACHE / f"{name}_server"


def _make(name: str, make: Callable[[Path], None]) -> None:
    target = CACHE / name
    if not target.exists():
        print(f"making {name}", flush=True)
        draft = CACHE / f"draft-{name}"
        make(draft)
        draft.replace(target)


def _network(name: str, target: Path) -> None:
    """A network of paddle.vision.models: a folder for us, ONNX for the reference."""
    import paddle
    from paddle.static import InputSpec
    from paddle.vision import models

    from paddle_serving_client.io import save_model

    paddle.seed(1)
    layer: Any = (models.mobilenet_v3_small if name == "mobilenet" else models.resnet50)(pretrained=False)
    layer.eval()
    spec = InputSpec([None, 3, SIDE, SIDE], "float32", "image")
    server, client = CACHE / f"{name}_server", CACHE / f"{name}_client"
    for old in (server, client):
        shutil.rmtree(old, ignore_errors=True)
    save_model(server, client, {"image": spec}, {"score": None}, layer)
    _to_onnx(server / "model.json", server / "params.pdiparams", target)


def _uci(target: Path) -> None:
    source = folder("uci")
    (program,) = source.glob("*.pdmodel")
    _to_onnx(program, program.with_suffix(".pdiparams"), target)


def _to_onnx(program: Path, params: Path, target: Path) -> None:
    import paddle2onnx

    if not params.exists():  # it would convert the program without its weights
        raise FileNotFoundError(params)
    paddle2onnx.export(str(program), str(params), str(target))


def _photo(target: Path) -> None:
    """640x480 pixels, 100 kB, out of a picture that is larger: the noise and edges of a photo, which decoding costs."""
    picture = cv2.imread(str(ROOT / "tests" / "data" / "pictures" / "street_sign_zh.jpg"))
    assert picture is not None
    height, width = picture.shape[:2]
    side = (width - height * 4 // 3) // 2
    small = cv2.resize(picture[:, side : width - side], (640, 480), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])
    target.write_bytes(data.tobytes())


def _tensor(target: Path) -> None:
    with target.open("wb") as file:
        np.save(file, np.random.default_rng(1).standard_normal((1, 3, SIDE, SIDE)).astype(np.float32))


def _uci_json(target: Path) -> None:
    house = [
        0.0137,
        -0.1136,
        0.2553,
        -0.0692,
        0.0582,
        -0.0727,
        -0.1583,
        -0.0584,
        0.6283,
        0.4919,
        0.1856,
        0.0795,
        -0.0332,
    ]
    target.write_text(json.dumps({"feed": [{"x": house}], "fetch": ["price"]}))


def _tensor_json(target: Path) -> None:
    """Numbers with the digits that Python's json gives a float32: 3 MB."""
    values: Any = np.load(CACHE / "tensor.npy")[0].tolist()
    target.write_text(json.dumps({"feed": [{"image": values}], "fetch": ["score"]}))


def _tuned() -> None:
    """Each model is measured beforehand, as its users are told to."""
    mark = CACHE / "tuned.txt"
    if not mark.exists():
        print("tuning the models", flush=True)
        folders = [str(folder(name)) for name in ("uci", "mobilenet", "resnet50")]
        tune = [sys.executable, "-m", "paddle_serving_server.tune", "--model"]
        subprocess.run([*tune, *folders], check=True, cwd=ROOT)
        subprocess.run([*tune, str(folder("mobilenet")), "--engine_threads", "1"], check=True, cwd=ROOT)
        mark.touch()


def _generator() -> None:
    source = HERE / "replay.c"
    if not REPLAY.exists() or REPLAY.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", str(REPLAY), str(source)], check=True)


def _environment() -> None:
    requirements = HERE / "requirements.txt"
    constraints = "".join(f"{name}=={importlib.metadata.version(name)}\n" for name in SHARED)
    mark = HERE / ".venv" / "installed.txt"
    wanted = requirements.read_text() + constraints
    if mark.exists() and mark.read_text() == wanted:
        return
    print("making .venv for the reference", flush=True)
    if not PYTHON.exists():
        venv.create(HERE / ".venv", with_pip=True)
    pins = HERE / ".venv" / "constraints.txt"
    pins.write_text(constraints)
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        str(requirements),
        "-c",
        str(pins),
    ]
    subprocess.run([str(PYTHON), *install], check=True)
    mark.write_text(wanted)


if __name__ == "__main__":
    main()
