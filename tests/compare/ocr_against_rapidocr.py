"""Does our service read what the original pipeline reads? Side by side on the same pictures, box by box.

    python3 -m venv rapid && rapid/bin/pip install rapidocr-paddle==1.4.5 paddlepaddle==3.3.1
    python tests/compare/ocr_against_rapidocr.py --rapidocr rapid/bin/python [--backend paddle] [PICTURE ...]

Without PICTURE: those of tests/data/pictures and of static/samples, each as it is, turned by 90, 180 and 270 degrees,
halved, coarsely compressed and enlarged to 12 million pixels, and some that are extreme in size. Starts a server of
web_service/ppocr.py for the time it runs. Prints every difference; the exit status is 1 if a text differs that
rounding cannot explain (see `_reason`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.serving import HTTP, serve  # noqa: E402

SURE = 0.02
"""Scores that differ by less are the same number, computed in another order."""
NEAR = 3.0
"""Corners that differ by less, in pixels of the original, are the same box: its edges are whole pixels of a resized
picture."""

NARROW = "a long, narrow picture, which we detect in tiles (FitTextPage) or at fewer pixels (LimitSideLen.max_pixels)"

ORIGINAL = """
import json, sys
from rapidocr_paddle import RapidOCR
ocr = RapidOCR()
for path in sys.stdin.read().split("\\n"):
    if path:
        try:
            found, _ = ocr(path)
        except Exception as exc:
            print("failed:", path, repr(exc)[:200], file=sys.stderr)
            found = []
        print(json.dumps([[box, text, float(score)] for box, text, score in found or []]), flush=True)
"""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A box and what was read in it."""

    box: np.ndarray[Any, np.dtype[np.float64]]
    text: str
    score: float

    def far(self, other: "Line") -> float:
        """The largest distance of a corner, in pixels."""
        return float(np.abs(self.box - other.box).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rapidocr", required=True, help="a Python that has rapidocr-paddle 1.4.5")
    parser.add_argument("--backend", default="", help="of our server: paddle, openvino, onnxruntime")
    parser.add_argument("pictures", nargs="*", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = list(_pictures(folder, args.pictures))
        theirs = _read_by_original(args.rapidocr, paths)
        ours = _read_by_us(folder, args.backend, paths)
        return _report(paths, ours, theirs)


def _pictures(folder: Path, given: Sequence[Path]) -> Iterator[Path]:
    """The files to read: PNG, so that both sides decode the same."""

    def saved(name: str, picture: Any) -> Path:
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), picture)
        return path

    files = given or sorted((ROOT / "tests" / "data" / "pictures").glob("*.jpg"))
    for file in files:
        picture: Any = cv2.imread(str(file))
        yield saved(file.stem, picture)
        if given:
            continue
        for turns in (1, 2, 3):
            yield saved(f"{file.stem}-turned-{turns * 90}", np.rot90(picture, turns))
        yield saved(f"{file.stem}-halved", cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        coarse: Any = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 15])[1]
        yield saved(f"{file.stem}-coarse", cv2.imdecode(coarse, cv2.IMREAD_COLOR))
    if given:
        return
    page: Any = cv2.imread(str(ROOT / "tests" / "data" / "pictures" / "page_curved_en.jpg"))
    yield saved("large-3000x4000", cv2.resize(page, (3000, 4000), interpolation=cv2.INTER_CUBIC))
    line = page[268:318, 150:900]
    yield saved("strip-750x50", line)
    yield saved("strip-750x24", line[14:38])
    yield saved("strip-upright-50x750", np.rot90(line))
    yield saved("wide-2600x60", cv2.copyMakeBorder(line, 5, 5, 900, 950, cv2.BORDER_REPLICATE))
    yield saved("wide-4500x50", cv2.copyMakeBorder(line, 0, 0, 1850, 1900, cv2.BORDER_REPLICATE))
    yield saved("tiny-20x20", page[300:320, 300:320])
    yield saved("tiny-1x1", page[300:301, 300:301])
    yield saved("white", np.full((300, 400, 3), 255, np.uint8))


def _read_by_original(python: str, paths: Sequence[Path]) -> list[list[Line]]:
    asked = "\n".join(map(str, paths))
    done = subprocess.run([python, "-c", ORIGINAL], input=asked, stdout=subprocess.PIPE, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return [[Line(np.array(box), text, score) for box, text, score in answer] for answer in answers]


def _read_by_us(folder: Path, backend: str, paths: Sequence[Path]) -> list[list[Line]]:
    flags = ["--service", str(ROOT / "web_service" / "ppocr.py"), *(["--backend", backend] if backend else [])]
    lines = []
    with serve(folder, *flags) as server:
        for path in paths:
            answer = HTTP.request(
                "POST", f"{server.url}/ppocr/prediction", body=path.read_bytes(), headers={"Content-Type": "image/png"}
            )
            if answer.status != 200:
                raise SystemExit(f"{path.name}: {answer.status} {answer.data!r}")
            found = answer.json()["result"]
            (boxes,), (texts,), (scores,) = found["boxes"], found["texts"], found["scores"]
            lines.append([Line(np.array(b), t, s) for b, t, s in zip(boxes, texts, scores, strict=True)])
    return lines


def _report(paths: Sequence[Path], ours: Sequence[list[Line]], theirs: Sequence[list[Line]]) -> int:
    if len(ours) != len(theirs):
        raise SystemExit(f"{len(ours)} answers from us and {len(theirs)} from the original")
    total = equal = exact_boxes = unexplained = 0
    moved, changed = 0.0, 0.0
    for path, we, they in zip(paths, ours, theirs, strict=True):
        said = []
        picture: Any = cv2.imread(str(path))
        height, width = picture.shape[:2]
        is_narrow = max(height, width) > 8 * min(height, width)
        for mine, other in _pairs(we, they):
            total += 1
            if mine and other and mine.text == other.text:
                equal += 1
                exact_boxes += mine.far(other) < 0.01
                moved, changed = max(moved, mine.far(other)), max(changed, abs(mine.score - other.score))
                continue
            reason = _reason(mine, other) or (NARROW if is_narrow else "")
            unexplained += not reason
            said.append(f"    ours   {_shown(mine)}\n    theirs {_shown(other)}\n    {reason or 'UNEXPLAINED'}")
        print(f"{path.stem}: {len(we)} boxes, {len(they)} of the original, {len(said)} differ")  # noqa: T201
        for text in said:
            print(text)  # noqa: T201
    print(  # noqa: T201
        f"\n{len(paths)} pictures, {total} boxes: {equal} texts equal ({equal / max(total, 1):.2%}), "
        f"{exact_boxes} of them with the same corners, the others within {moved:.1f} pixels; "
        f"scores of equal texts differ by at most {changed:.4f}; {unexplained} differences unexplained"
    )
    return 1 if unexplained else 0


def _pairs(ours: Sequence[Line], theirs: Sequence[Line]) -> Iterator[tuple[Line | None, Line | None]]:
    """Each box of ours with the nearest of theirs, and what is left on either side alone."""
    left = list(theirs)
    for mine in ours:
        nearest = min(left, key=mine.far, default=None)
        if nearest is None or mine.far(nearest) > 20:
            yield mine, None
            continue
        left.remove(nearest)
        yield mine, nearest
    for other in left:
        yield None, other


def _reason(mine: Line | None, other: Line | None) -> str:
    """Why two answers differ, where floating point explains it: results near a threshold fall on either side."""
    if mine is None or other is None:
        alone = mine or other
        assert alone is not None
        return f"score {alone.score:.3f} is at the limit of 0.5" if alone.score < 0.5 + SURE else ""
    if mine.far(other) >= 0.01:
        return (
            f"the box differs by {mine.far(other):.1f} pixels, so another piece was read"
            if mine.far(other) < NEAR
            else ""
        )
    return ""


def _shown(line: Line | None) -> str:
    return "nothing" if line is None else f"{line.text!r} {line.score:.4f} {line.box.round(1).tolist()}"


if __name__ == "__main__":
    sys.exit(main())
