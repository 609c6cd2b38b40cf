"""/ocr: the text in pictures and documents, found, cut out, turned upright and read."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.tasks.classification import Classification
from paddle_serving_app.exported.tasks.text_detection import TextDetection
from paddle_serving_app.exported.tasks.text_recognition import TextRecognition
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.draw import BoxDrawing
from paddle_serving_app.ops.text_boxes import GetRotateCropImage, SortedBoxes, tight_box
from paddle_serving_app.paddlex import files
from paddle_serving_app.paddlex.fields import COMMON, Check, Refused, file_type, number, text, truth, whole
from paddle_serving_app.paddlex.operation import Models, found
from paddle_serving_app.paddlex.single import jpeg
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array

DETECTION, READING, TURNING = "TextDetection", "TextRecognition", "TextLineOrientation"
_OF_DETECTION: Final = {
    "limit_side_len": "textDetLimitSideLen",
    "limit_type": "textDetLimitType",
    "thresh": "textDetThresh",
    "max_side_limit": "",
    "box_thresh": "textDetBoxThresh",
    "unclip_ratio": "textDetUnclipRatio",
}
"""Options of detection, in the order in which answers have them, with the fields of a request."""
_USUAL: Final = {
    "limit_side_len": 960,
    "limit_type": "max",
    "thresh": 0.3,
    "max_side_limit": 4000,
    "box_thresh": 0.6,
    "unclip_ratio": 2.0,
}
"""Where neither a request nor the YAML says something: PaddleX's, not those of the model's own file."""
_SWITCHES: Final = {
    "useDocOrientationClassify": False,
    "useDocUnwarping": False,
    "useTextlineOrientation": True,
}
"""Fields that ask for further models, and whether there may be one."""
NEEDED: Final = "file"
FIELDS: Final[Mapping[str, Check]] = {
    "file": text,
    "fileType": file_type,
    **dict.fromkeys((*_SWITCHES, "returnWordBox"), truth),
    "textDetLimitSideLen": whole,
    "textDetLimitType": text,
    **dict.fromkeys(("textDetThresh", "textDetBoxThresh", "textDetUnclipRatio", "textRecScoreThresh"), number),
    **COMMON,
}
_UPSIDE_DOWN = 1


def check(models: Models) -> None:
    """See `Operation.check`."""
    kinds = {DETECTION: TextDetection, READING: TextRecognition, TURNING: Classification}
    for name, module in models.spec.modules.items():
        where = f"{models.spec.path}: SubModules.{name}"
        if not isinstance(models.task(name), kinds[name]):
            raise BadConfig(f"{where}: {module.folder} is for another task: {models.task(name).title}")
        settings = dict(module.settings)
        try:
            if name == READING:
                options_of.asked(settings.pop("score_thresh", 0.0), "score_thresh")
            models.task(name).check(settings)
        except BadInput as exc:
            raise BadConfig(f"{where}: {exc}") from exc


def result(models: Models, said: Mapping[str, Any], visualizes: bool) -> dict[str, Any]:
    """See `Operation.result`."""
    turns = _turns(models, said)
    settings = models.spec.modules[DETECTION].settings
    params = {
        name: said.get(field, settings.get(name, _USUAL[name])) if field else settings.get(name, _USUAL[name])
        for name, field in _OF_DETECTION.items()
    }
    least = said.get("textRecScoreThresh", models.spec.modules[READING].settings.get("score_thresh", 0.0))
    images, about = files.pages(said["file"], said.get("fileType"), models.spec.max_pages)
    results = []
    for image in images:
        page = _read(models, image, params, turns, least)
        entry: dict[str, Any] = {"prunedResult": page}
        if visualizes:
            entry |= {"ocrImage": jpeg(_drawn(image, page)), "inputImage": jpeg(image)}
        results.append(entry)
    return {"ocrResults": results, "dataInfo": about}


def _turns(models: Models, said: Mapping[str, Any]) -> bool:
    """Whether lines are turned upright; a model that is not there cannot be asked for."""
    if said.get("returnWordBox"):
        raise Refused("returnWordBox is not offered here")
    has = {"useTextlineOrientation": TURNING in models.spec.modules}
    for field, may_be in _SWITCHES.items():
        if said.get(field) and not (may_be and has[field]):
            raise Refused("the input params for model settings are invalid!", 500)
    return bool(said.get("useTextlineOrientation", has["useTextlineOrientation"]))


def _read(models: Models, image: ImageU8, params: Mapping[str, Any], turns: bool, least: float) -> dict[str, Any]:
    """One page, as PaddleX tells of it."""
    boxes = found(models, DETECTION, image, params)["boxes"]
    quads = SortedBoxes("ppocr-v4")(np.array(boxes, np.int32).reshape(-1, 4, 2))
    lines, placed = _cut_out(image, quads)
    angles: dict[str, Any] = {}
    if lines:
        classes = [found(models, TURNING, line, {})["classes"][0] if turns else -1 for line in lines]
        lines = [
            np.ascontiguousarray(np.rot90(line, 2)) if k == _UPSIDE_DOWN else line
            for line, k in zip(lines, classes, strict=True)
        ]
        angles = {"textline_orientation_angles": classes}
    read = _texts(models, lines)
    kept = [n for n, (_, score) in enumerate(read) if score >= least]
    return {
        "model_settings": {"use_doc_preprocessor": False, "use_textline_orientation": turns},
        "dt_polys": [quad.tolist() for quad in placed],
        "text_det_params": dict(params),
        "text_type": "general",
        **angles,
        "text_rec_score_thresh": least,
        "return_word_box": False,
        "rec_texts": [read[n][0] for n in kept],
        "rec_scores": [read[n][1] for n in kept],
        "rec_polys": [placed[n].tolist() for n in kept],
        "rec_boxes": [[*placed[n].min(axis=0).tolist(), *placed[n].max(axis=0).tolist()] for n in kept],
    }


def _cut_out(image: ImageU8, quads: Sequence[Array]) -> tuple[list[ImageU8], list[Array]]:
    """The lines, straightened, with their corners; corners between which nothing is are left out."""
    cut = GetRotateCropImage("ppocr-v4")
    lines, placed = [], []
    for quad in quads:
        try:
            lines.append(cut(image, tight_box(quad.astype(np.int32))[0]))
        except BadInput:
            continue
        placed.append(quad)
    return lines, placed


def _texts(models: Models, lines: Sequence[ImageU8]) -> list[tuple[str, float]]:
    """What each line says; lines of like length are read together, as many as the YAML says."""
    task = cast(TextRecognition, models.task(READING))
    size = models.spec.modules[READING].batch_size
    in_order = sorted(range(len(lines)), key=lambda n: lines[n].shape[1] / lines[n].shape[0])
    read: list[tuple[str, float]] = [("", 0.0)] * len(lines)
    for k in range(0, len(in_order), size):
        group = in_order[k : k + size]
        outputs = models.run(READING, task.lines_fed([lines[n] for n in group]))
        for n, line in zip(group, task.lines_found(outputs), strict=True):
            read[n] = line
    return read


def _drawn(image: ImageU8, page: Mapping[str, Any]) -> ImageU8:
    """The page with what was read drawn in."""
    corners = [np.array(polygon) for polygon in page["rec_polys"]]
    return BoxDrawing()(image, corners, page["rec_texts"], page["rec_scores"])
