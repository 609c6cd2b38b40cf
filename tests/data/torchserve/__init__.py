"""Answers recorded from a real TorchServe, and the models that gave them; README.md says more."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.torchserves import archive

HERE = Path(__file__).parent
CLASSES = ["action", "comedy", "drama", "horror", "romance"]
WEIGHT = HERE.parent / "weight_variation"
GENRE_HANDLER = """
import io
import json
import os

import numpy as np
from PIL import Image
from ts.torch_handler.base_handler import BaseHandler
from label_util import pack

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class GenreHandler(BaseHandler):
    def initialize(self, context):
        super().initialize(context)
        with open(os.path.join(context.system_properties.get("model_dir"), "classes.json")) as file:
            self.classes = json.load(file)

    def preprocess(self, data):
        rows = []
        for row in data:
            picture = Image.open(io.BytesIO(row.get("data") or row.get("body"))).resize((128, 128), Image.BILINEAR)
            rows.append(((np.asarray(picture, np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1))
        return np.stack(rows)

    def postprocess(self, data):
        return [pack(self.classes, row) for row in np.asarray(data).tolist()]
"""
LABELS = """
def pack(names, row):
    return {name: round(float(value), 6) for name, value in zip(names, row)}
"""
WEIGHT_HANDLER = """
import json

import numpy as np
from ts.torch_handler.base_handler import BaseHandler
from preprocessing_pipelines import features


class WeightHandler(BaseHandler):
    def preprocess(self, data):
        rows = []
        for row in data:
            body = row.get("data") or row.get("body")
            rows.append(features(json.loads(body) if isinstance(body, (bytes, bytearray)) else body))
        return np.stack(rows)

    def postprocess(self, data):
        return [{"weight_change": round(float(value), 6)} for value in np.asarray(data).reshape(-1)]
"""
PIPELINES = '''
"""Feature engineering: 8 scaled numbers, and one-hot gender, activity and sleep."""
import numpy as np

ACTIVITIES = ["Sedentary", "Lightly Active", "Moderately Active", "Very Active", "Extremely Active"]
SLEEP = ["Poor", "Good", "Excellent"]
NUMBERS = [
    ("age", 40, 12), ("current_weight", 160, 40), ("bmr", 1500, 300), ("daily_calories_consumed", 2100, 500),
    ("daily_caloric_surplus_deficit", 0, 400), ("duration", 11, 9.5), ("stress_level", 5, 10),
    ("bmr_per_weight", 9.4, 2),
]


def features(row):
    row = {**row, "bmr_per_weight": row["bmr"] / row["current_weight"]}
    found = [(float(row[name]) - mean) / scale for name, mean, scale in NUMBERS]
    found += [float(row["gender"] == one) for one in ("F", "M")]
    found += [float(row["physical_activity_level"] == one) for one in ACTIVITIES]
    found += [float(row["sleep_quality"] == one) for one in SLEEP]
    return np.asarray(found, np.float32)
'''


def answers() -> dict[str, dict[str, Any]]:
    """All of them, by name."""
    found: dict[str, dict[str, Any]] = json.loads((HERE / "answers.json").read_text(encoding="utf-8"))
    return found


def pictures() -> list[bytes]:
    """Three JPEG files."""
    random, found = np.random.default_rng(3), []
    for _ in range(3):
        written = io.BytesIO()
        noise = random.integers(0, 255, (90, 60, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((300, 450)).save(written, "jpeg")
        found.append(written.getvalue())
    return found


def form(*parts: tuple[str, bytes, str]) -> tuple[bytes, str]:
    """A form with parts, each with a name, its content, and the name of a file or none; and its content type."""
    lines = []
    for name, content, file in parts:
        more = f'; filename="{file}"\r\nContent-Type: image/jpeg' if file else ""
        head = f'--XbX\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
        lines.append(head.encode() + content + b"\r\n")
    return b"".join(lines) + b"--XbX--\r\n", "multipart/form-data; boundary=XbX"


def body(case: dict[str, Any], images: list[bytes]) -> bytes:
    """The body of a recorded request."""
    words = str(case.get("made_body", "")).split()
    if not words:
        return str(case.get("body", "")).encode()
    if words[0] == "image":
        return images[int(words[1])]
    if words[0].isdecimal():
        return b"x" * int(words[0])
    text = base64.b64encode(images[0])
    if words[0] == "json":
        content: Any = {"data": text.decode()}
        return json.dumps({"instances": [content]} if words[1] == "instances" else content).encode()
    if words[1] == "text":
        return form(("data", text, ""))[0]
    parts = [word.split("=") for word in words[1:]]
    return form(*((name, images[int(number)], f"img{number}.jpg") for name, number in parts))[0]


def fill(store: Path) -> None:
    """Write the archives that were asked there into a store, with ONNX in the place of torch."""
    beside = store.parent
    (beside / "classes.json").write_text(json.dumps(CLASSES))
    (beside / "label_util.py").write_text(LABELS)
    (beside / "preprocessing_pipelines.py").write_text(PIPELINES)
    model, extra = str(HERE / "genre_classifier.onnx"), f"{beside / 'classes.json'},{beside / 'label_util.py'}"
    archive(store, "my_model", GENRE_HANDLER, serialized_file=model, extra_files=extra)
    archive(store, "my_model", GENRE_HANDLER, "2.0", "my_model_v2.mar", serialized_file=model, extra_files=extra)
    name = "barcamp2024-model-pytorch"
    onnx, pipelines = str(WEIGHT / f"{name}.onnx"), str(beside / "preprocessing_pipelines.py")
    archive(store, name, WEIGHT_HANDLER, serialized_file=onnx, extra_files=pipelines)
    archive(store, "broken", "import nothing_of_the_kind\n")
    (store / "notzip.mar").write_text("x")
