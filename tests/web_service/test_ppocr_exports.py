"""web_service/ppocr.py with the models of another version of PP-OCR: their exports say their own steps."""

from pathlib import Path

import cv2
import pytest

from tests import exported_models
from tests.serving import HTTP, ROOT, serve

DOOR = str(ROOT / "web_service" / "ppocr.py")


def test_folders_of_exports_are_read_with_their_own_steps_and_characters(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    detector, reader = (str(exported_models.make(name, tmp_path)) for name in ("text_map", "line"))
    raw = cv2.imencode(".png", exported_models.picture())[1].tobytes()
    with serve(tmp_path, "--tune", "off", "--service", DOOR, "--", detector, reader) as running:
        url = f"{running.url}/ppocr/prediction?fetch=boxes,texts,scores"
        answer = HTTP.request("POST", url, body=raw, headers={"Content-Type": "image/png"})
        assert answer.status == 200, answer.data
        (boxes,), (texts,), _ = answer.json()["result"].values()
    assert len(boxes) == len(texts) == 3
    assert set("".join(texts)) <= {"a", "7", " "}


def test_a_folder_of_another_task_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    reader = str(exported_models.make("line", tmp_path))
    with serve(tmp_path, "--tune", "off", "--service", DOOR, "--", reader, reader, waits=False) as ending:
        assert ending.process.wait(60) != 0
        assert "is for another task: Read a line of text" in ending.log
