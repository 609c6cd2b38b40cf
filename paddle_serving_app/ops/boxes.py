"""What a detector answers, rows of (class, score, x1, y1, x2, y2), as records, files and drawings."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from paddle_serving_app.ops.arrays import Float32, ImageU8
from paddle_serving_app.ops.decode import File2Image
from paddle_serving_app.ops.draw import BoxDrawing
from paddle_serving_app.ops.labels import color_map, read_labels
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array, describe

MAX_BOXES = 100_000
"""Rows of one answer. Detectors keep 100 to 1,000 for each picture."""
DRAWN_FROM = 0.5
"""Score from which `RCNNPostprocess` draws a box."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")


def require_rows(rows: Array, class_num: int, what: str) -> Float32:
    """The boxes of an answer, checked.

    Args:
        rows: numbers (N, 6): class, score, x1, y1, x2, y2. No box: (1, 1) as old detectors say it, (0, anything), or a
            row of a class below 0, as newer ones fill up with.
        class_num: how many classes there are.
        what: its name, for errors.

    Returns:
        float32 (N', 6), rows of classes below 0 dropped.

    Raises:
        BadInput: another shape, a value that is not finite, or a class that has no label.
        TooLarge: over `MAX_BOXES`.
    """
    rows = np.asarray(rows)
    if rows.shape == (1, 1) or rows.size == 0:
        return np.zeros((0, 6), np.float32)
    if rows.ndim != 2 or rows.shape[1] != 6 or rows.dtype.kind not in "fiu":
        raise BadInput(f"{what} must be rows of (class, score, x1, y1, x2, y2), [N, 6], got {describe(rows)}")
    if len(rows) > MAX_BOXES:
        raise TooLarge(f"{what} has {len(rows):,} boxes; at most {MAX_BOXES:,} are read")
    if not np.isfinite(rows).all():
        raise BadInput(f"{what} has a value that is not finite")
    kept = rows[rows[:, 0] >= 0].astype(np.float32)
    if len(kept) and kept[:, 0].max() >= class_num:
        raise BadInput(f"{what} has class {int(kept[:, 0].max())}, but there are labels for {class_num} classes only")
    return kept


def boxes_in(outputs: Mapping[str, Any]) -> str:
    """Which output of a detector has the boxes: not its place among the others tells, but its shape.

    Args:
        outputs: arrays by name, in the program's order: rows of six numbers, how many there are of each picture,
            masks, indices.

    Returns:
        The name of the one with six columns; of several, the first that has as many rows as another output says, or
        else the first. Where none has six columns: of the first that says "no box", see `require_rows`, or the first.
    """
    arrays = {name: np.asarray(array) for name, array in outputs.items()}
    fitting = [name for name, array in arrays.items() if array.ndim == 2 and array.shape[1] == 6]
    counts = {int(array.reshape(-1)[0]) for array in arrays.values() if array.dtype.kind in "iu" and array.size == 1}
    counted = [name for name in fitting if len(arrays[name]) in counts]
    empty = [
        name for name, array in arrays.items() if array.dtype.kind == "f" and array.shape in ((1, 1), (0,), (0, 1))
    ]
    return next(iter([*counted, *fitting, *empty, *arrays]))


class RCNNPostprocess:
    """The boxes of a detector as a list, drawn on the picture, and in a file.

    Args:
        label_file: see `labels.read_labels`. The line is the class, without a shift.
        output_dir: gets the picture with boxes of a score from 0.5, under its base name, and `bbox.json`, the list.
            Made where it is not there; what has these names in it is replaced.
        resize_shape: (width, height) of the picture that the boxes were found in, where that was another size.

    Call with
        image_with_bbox: what `Client.predict` returned, with "image", the path of the picture, put into it. Of the
            keys that are neither "image" nor contain ".lod" or "im_shape" the one with six columns, or else the last,
            holds the boxes, see `boxes_in` and `require_rows`; `KEY.lod` has the ends of each picture's rows, and may
            be left out.
        visualize: False writes nothing.
    Returns a list of {"category_id": class, "bbox": [x, y, width, height], "score": score}, in pixels, where width is
    x2 - x1 + 1.

    For scripts: as `File2Image`, never for a path that came with a request.

    Raises:
        BadConfig: `label_file` is not one, or `output_dir` cannot be written to.
        BadInput: boxes that are none, or a picture of a kind that is not written.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py; the list is equal, and so are the boxes
        drawn. It drew on a picture without applying its EXIF orientation, failed on labels that are not Latin, on
        classes below 0, and without `KEY.lod`.
    """

    def __init__(
        self, label_file: str, output_dir: str | os.PathLike[Any], resize_shape: Sequence[int] | None = None
    ) -> None:
        self.label_file = label_file
        self.output_dir = output_dir
        self.resize_shape = resize_shape
        self.label_list = read_labels(label_file)
        if resize_shape is not None and (len(resize_shape) != 2 or min(resize_shape) < 1):
            raise BadConfig(f"resize_shape is (width, height), at least 1 each; got {resize_shape}")

    def __call__(self, image_with_bbox: Mapping[str, Any], visualize: bool = True) -> list[dict[str, Any]]:
        names = [key for key in image_with_bbox if key != "image" and ".lod" not in key and "im_shape" not in key]
        if not names:
            raise BadInput(f"the result has no boxes, only {', '.join(image_with_bbox) or 'nothing'}")
        # The last one, as it was, where several could be it.
        rows = self._rows_of(boxes_in({name: image_with_bbox[name] for name in reversed(names)}), image_with_bbox)
        records = [self._record(row, image_with_bbox) for row in rows.tolist()]
        _make_folder(self.output_dir)
        if visualize:
            if "image" not in image_with_bbox:
                raise BadInput("the result has no 'image': put the path of the picture into it")
            path = image_with_bbox["image"]
            draw_records(path, self.output_dir, records, self.label_list, self.resize_shape)
            write_records(self.output_dir, records)
        return records

    def __repr__(self) -> str:
        return f"{type(self).__name__}(label_file={self.label_file!r}, output_dir={str(self.output_dir)!r})"

    def _rows_of(self, name: str, result: Mapping[str, Any]) -> Float32:
        rows = np.asarray(result[name])
        count = len(rows) if rows.ndim else 0
        ends = np.asarray(result.get(f"{name}.lod", [0, count])).reshape(-1)
        if len(ends) < 2 or ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] > count:
            raise BadInput(f"{name}.lod must rise from 0 to at most {count}, the rows of {name}")
        return require_rows(rows[: int(ends[-1])] if rows.ndim else rows, len(self.label_list), name)

    def _record(self, row: Sequence[float], result: Mapping[str, Any]) -> dict[str, Any]:
        category, score, left, top, right, bottom = row
        box = [left, top, right - left + 1, bottom - top + 1]
        return {"category_id": int(category), "bbox": box, "score": score}


class BlazeFacePostprocess(RCNNPostprocess):
    """`RCNNPostprocess` for boxes in parts of the picture, 0 to 1, beyond which they are cut.

    The result needs "im_shape" too, [height, width] in pixels, to which boxes are scaled; nothing is added to a width.

    Source: as `RCNNPostprocess`; equal.
    """

    def __call__(self, image_with_bbox: Mapping[str, Any], visualize: bool = True) -> list[dict[str, Any]]:
        shape = np.asarray(image_with_bbox.get("im_shape", ()))
        if shape.ndim != 1 or len(shape) < 2:
            raise BadInput(f"the result needs 'im_shape', [height, width] of the picture; got {shape.tolist()}")
        return super().__call__(image_with_bbox, visualize)

    def _record(self, row: Sequence[float], result: Mapping[str, Any]) -> dict[str, Any]:
        category, score = row[:2]
        left, top, right, bottom = (max(min(part, 1.0), 0.0) for part in row[2:])
        height, width = (int(side) for side in np.asarray(result["im_shape"]).astype(np.int32)[:2])
        box = [left * width, top * height, (right - left) * width, (bottom - top) * height]
        return {"category_id": int(category), "bbox": box, "score": score}


class LabelledBoxes:
    """The boxes of a detector drawn with their labels, in memory: what a service answers.

    Args:
        labels: the name of each class, from 0.
        least_score: boxes below are left out.
        font: see `BoxDrawing`.

    Call with
        image: (H, W, 3) uint8, BGR. Not modified.
        rows: see `require_rows`; in pixels of `image`.
    Returns a new (H, W, 3) uint8, BGR; each class has its colour.
    """

    def __init__(self, labels: Sequence[str], least_score: float = DRAWN_FROM, font: str | Path = "") -> None:
        self.labels = list(labels)
        self.least_score = least_score
        self._draw = BoxDrawing(font)

    def __call__(self, image: ImageU8, rows: Array) -> ImageU8:
        kept = require_rows(rows, len(self.labels), "boxes")
        kept = kept[kept[:, 1] >= self.least_score]
        limit = 4.0 * max(image.shape)  # a box far outside would overflow the pixels of a drawing
        corners = np.clip(kept[:, [2, 3, 4, 3, 4, 5, 2, 5]], -limit, limit).reshape(-1, 4, 2)
        classes = kept[:, 0].astype(int).tolist()
        return self._draw(image, corners, [self.labels[k] for k in classes], kept[:, 1].tolist(), classes)

    def __repr__(self) -> str:
        return f"LabelledBoxes({len(self.labels)} labels, {self.least_score})"


def draw_records(
    path: str | os.PathLike[Any],
    output_dir: str | os.PathLike[Any],
    records: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    resize_shape: Sequence[int] | None = None,
) -> Path:
    """Draw boxes of a score from `DRAWN_FROM` on a picture, and write that into `output_dir` under its base name.

    Args:
        path: of the picture; JPEG, PNG, WebP, BMP or GIF, by its name too.
        records: see `RCNNPostprocess`.
        labels: the name of each class.
        resize_shape: see `RCNNPostprocess`.

    Returns:
        Where it was written.
    """
    name = os.path.basename(os.fspath(path))
    if not name.lower().endswith(_SUFFIXES):
        raise BadInput(f"{name[:64]!r} cannot be written: its name must end with one of {', '.join(_SUFFIXES)}")
    canvas = Image.fromarray(np.ascontiguousarray(File2Image()(path)[:, :, ::-1]))
    pen = ImageDraw.Draw(canvas)
    scale_x, scale_y = (1.0, 1.0)
    if resize_shape is not None:
        scale_x, scale_y = canvas.width / resize_shape[0], canvas.height / resize_shape[1]
    colors = color_map(len(labels)).tolist()
    for record in records:
        if record["score"] < DRAWN_FROM:
            continue
        x, y, width, height = record["bbox"]
        left, top, right, bottom = x * scale_x, y * scale_y, (x + width) * scale_x, (y + height) * scale_y
        color = tuple(colors[record["category_id"]])
        pen.line([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], width=2, fill=color)
        _write_label(pen, left, top, f"{labels[record['category_id']]} {record['score']:.2f}", color)
    target = _make_folder(output_dir) / name
    canvas.save(target, quality=95)
    return target


def write_records(output_dir: str | os.PathLike[Any], records: Sequence[Mapping[str, Any]]) -> Path:
    """Write `bbox.json` into `output_dir`; returns its path."""
    target = _make_folder(output_dir) / "bbox.json"
    target.write_text(json.dumps(records, indent=4), encoding="utf-8")
    return target


def _write_label(pen: ImageDraw.ImageDraw, left: float, top: float, text: str, color: tuple[int, ...]) -> None:
    """White on a strip of the box's colour, above the box."""
    # The small fixed font of old Pillow, which knows Latin letters only: drawings stay as they were.
    font = ImageFont.load_default_imagefont() if text.isascii() else None
    _, _, width, height = pen.textbbox((0, 0), text, font=font)
    pen.rectangle([(left + 1, top - height), (left + width + 1, top)], fill=color)
    pen.text((left + 1, top - height), text, fill=(255, 255, 255), font=font)


def _make_folder(path: str | os.PathLike[Any]) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadConfig(f"output folder {folder} cannot be made: {exc.strerror}") from exc
    return folder
