"""Pipelines of PaddleX on a real server: over HTTP as its own server answers, and as models for clients of HPS."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from paddle_serving_app.paddlex.operations.instances import run_lengths
from paddle_serving_server.commands import paddlex
from paddle_serving_server.commands.paddlex import as_serve
from tests import exported_models
from tests.serving import HTTP, ROOT, Server, serve

SAID = json.loads((ROOT / "tests" / "data" / "paddlex" / "predictors.json").read_text())
ERRORS = json.loads((ROOT / "tests" / "data" / "paddlex" / "errors.json").read_text())
MODULE = ("-m", "paddle_serving_server.paddlex", "--serve")
SIZE = "320x200"
PIPELINES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "object_detection": ("ObjectDetection", "detector", {"threshold": 0.5}),
    "layout_detection": ("LayoutDetection", "layout", {"threshold": {0: 0.4, 3: 0.5}}),
    "rotated_object_detection": ("RotatedObjectDetection", "turned", {}),
    "image_classification": ("ImageClassification", "classifier", {"topk": 2}),
    "image_multilabel_classification": ("ImageMultiLabelClassification", "multilabel", {}),
    "semantic_segmentation": ("SemanticSegmentation", "segmentation", {"target_size": "None"}),
    "instance_segmentation": ("InstanceSegmentation", "instances", {"threshold": 0.5}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    made = tmp_path_factory.mktemp("pipelines")
    for name, (module, model, settings) in PIPELINES.items():
        exported_models.make(model, made)
        about = {"module_name": "any", "model_name": model, "model_dir": f"./{model}", "batch_size": 1, **settings}
        written(made / f"{name}.yaml", {"pipeline_name": name, "SubModules": {module: about}})
    exported_models.make("text_map", made)
    exported_models.make("line", made)
    lines = {
        "TextDetection": {"model_dir": "./text_map", "limit_side_len": 64, "limit_type": "min", "unclip_ratio": 1.5},
        "TextRecognition": {"model_dir": "./line", "batch_size": 6, "score_thresh": 0.0},
    }
    switches = {"use_doc_preprocessor": False, "use_textline_orientation": False}
    written(made / "OCR.yaml", {"pipeline_name": "OCR", "text_type": "general", **switches, "SubModules": lines})
    return made


def written(file: Path, values: Any) -> Path:
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    pipelines = [word for name in (*PIPELINES, "OCR") for word in ("--pipeline", str(folder / f"{name}.yaml"))]
    with serve(
        folder, *pipelines, "--use_hpip", "--tune", "off", "--backend", "onnxruntime", "--reload_code", command=MODULE
    ) as running:
        yield running


PICTURE = base64.b64encode(cv2.imencode(".png", exported_models.picture())[1].tobytes()).decode()


def ask(server: Server, operation: str, said: Any, status: int = 200) -> Any:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    answer = HTTP.request("POST", f"{server.url}/{operation}", body=raw)  # no Content-Type: it is JSON all the same
    assert answer.status == status, answer.data
    found = answer.json()
    assert found["errorCode"] == (0 if status == 200 else status)
    return found


def test_boxes_are_those_of_paddlex(server: Server) -> None:
    found = ask(server, "object-detection", {"image": PICTURE, "logId": "mine"})
    assert (found["logId"], found["errorMsg"], list(found["result"])) == ("mine", "Success", ["detectedObjects"])
    boxes = SAID[f"detector {SIZE}"]["boxes"]
    objects = found["result"]["detectedObjects"]
    assert [o["categoryName"] for o in objects] == [box["label"] for box in boxes]
    assert np.abs(np.array([o["bbox"] for o in objects]) - [box["coordinate"] for box in boxes]).max() < 1
    few = ask(server, "object-detection", {"image": PICTURE, "threshold": {"0": 0.85, "4": 0.99}, "visualize": True})
    assert len(few["result"]["detectedObjects"]) < len(objects)
    assert base64.b64decode(few["result"]["image"])[:3] == b"\xff\xd8\xff"


def test_the_other_operations_with_one_model(server: Server) -> None:
    layout = ask(server, "layout-detection", {"image": PICTURE})["result"]["detectedObjects"]
    assert {one["categoryName"] for one in layout} == {"cat", "formula"}
    (turned,) = ask(server, "rotated-object-detection", {"image": PICTURE})["result"]["detectedObjects"]
    assert np.abs(np.array(turned["bbox"]) - SAID[f"turned {SIZE}"]["boxes"][0]["coordinate"]).max() < 1
    classes = ask(server, "image-classification", {"image": PICTURE})["result"]["categories"]
    assert [one["name"] for one in classes] == SAID[f"classifier {SIZE}"]["label_names"][:2]
    several = ask(server, "multilabel-image-classification", {"image": PICTURE, "threshold": 0.7})["result"]
    assert [one["id"] for one in several["categories"]] == [0, 3]
    areas = ask(server, "semantic-segmentation", {"image": PICTURE})["result"]
    assert (areas["size"], len(areas["labelMap"])) == ([200, 320], 64000)
    things = ask(server, "instance-segmentation", {"image": PICTURE})["result"]["instances"]
    coordinates = [[round(side) for side in thing["bbox"]] for thing in things]
    assert [thing["mask"]["size"] for thing in things] == [[y2 - y1, x2 - x1] for x1, y1, x2, y2 in coordinates]


def test_text_as_paddlex_tells_of_it(server: Server) -> None:
    found = ask(server, "ocr", {"file": PICTURE, "fileType": 1, "textDetThresh": 0.3})["result"]
    (page,) = (one["prunedResult"] for one in found["ocrResults"])
    assert found["dataInfo"] == {"width": 320, "height": 200, "type": "image"}
    polygons = SAID[f"text_map {SIZE}"]["dt_polys"]
    assert np.abs(np.array(page["dt_polys"]) - polygons[::-1]).max() <= 1
    assert len(page["rec_texts"]) == len(page["rec_scores"]) == len(page["rec_boxes"]) == 3
    assert page["textline_orientation_angles"] == [-1, -1, -1]
    assert page["text_det_params"]["limit_side_len"] == 64
    assert page["model_settings"] == {"use_doc_preprocessor": False, "use_textline_orientation": False}
    none = ask(server, "ocr", {"file": PICTURE, "fileType": 1, "textDetBoxThresh": 0.9999})["result"]
    assert none["ocrResults"][0]["prunedResult"]["rec_texts"] == []


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_those_that_paddlex_was_recorded_with(server: Server, name: str) -> None:
    said, status, text = ERRORS[name]
    raw = said.encode().replace(b"PICTURE", PICTURE.encode())
    answer = HTTP.request("POST", f"{server.url}/ocr", body=raw or None)
    assert answer.status == status
    assert answer.json()["errorCode"] == status
    # What is wrong with a file is said behind PaddleX's words.
    assert (
        answer.json()["errorMsg"].startswith(text)
        if text == "Invalid input file"
        else answer.json()["errorMsg"] == text
    )


def test_other_methods_and_paths_are_none_of_it(server: Server) -> None:
    assert HTTP.request("GET", f"{server.url}/ocr").status == 405
    assert HTTP.request("POST", f"{server.url}/seal-recognition", body=b"{}").status == 404
    paths = HTTP.request("GET", f"{server.url}/openapi.json").json()["paths"]
    assert {"/ocr", "/layout-detection", "/instance-segmentation"} <= set(paths)


def test_clients_of_hps_are_answered_in_the_envelope(server: Server) -> None:
    url = f"{server.url}/v2/models/object-detection/infer"
    tensor = {"name": "input", "shape": [1, 1], "datatype": "BYTES", "data": [json.dumps({"image": PICTURE})]}
    answer = HTTP.request("POST", url, json={"inputs": [tensor]})
    assert answer.status == 200, answer.data
    (output,) = answer.json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("output", "BYTES", [1, 1])
    said = json.loads(output["data"][0])
    assert len(said["result"]["detectedObjects"]) == 3
    assert "image" in said["result"]  # these clients read it
    bad = {**tensor, "data": ["{}"]}
    output = HTTP.request("POST", url, json={"inputs": [bad]}).json()["outputs"][0]
    assert json.loads(output["data"][0])["errorCode"] == 422


def test_clients_of_hps_over_grpc(server: Server) -> None:
    """Byte for byte what `paddlex_hps_client` sends: raw contents with the length before."""
    grpc = pytest.importorskip("grpc")
    body = json.dumps({"image": PICTURE}, separators=(",", ":")).encode()
    raw = len(body).to_bytes(4, "little") + body
    field = b"\x0a" + bytes([len(b"object-detection")]) + b"object-detection"
    field += bytes.fromhex("2a120a05696e707574120542595445531a020101")
    field += b"\x3a" + _varint(len(raw)) + raw
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        answer: bytes = call(field, timeout=30)
    assert b'"errorMsg":"Success"' in answer
    assert b'"detectedObjects"' in answer


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def test_the_page_gets_boxes_it_can_draw(server: Server) -> None:
    raw = base64.b64decode(PICTURE)
    url = f"{server.url}/object-detection/prediction"
    answer = HTTP.request("POST", url, body=raw, headers={"Content-Type": "image/png"})
    assert answer.json()["result"]["labels"] == [["cat", "cat", "formula"]]


def test_a_changed_threshold_is_taken_while_the_server_runs(server: Server, folder: Path) -> None:
    file = folder / "object_detection.yaml"
    before = file.read_text()
    assert len(ask(server, "object-detection", {"image": PICTURE})["result"]["detectedObjects"]) == 3
    file.write_text(before.replace("threshold: 0.5", "threshold: many"))  # broken: the old one goes on
    until = time.monotonic() + 30
    while "threshold must be a number" not in server.log and time.monotonic() < until:
        assert len(ask(server, "object-detection", {"image": PICTURE})["result"]["detectedObjects"]) == 3
        time.sleep(0.1)
    assert "threshold must be a number" in server.log
    file.write_text(before.replace("threshold: 0.5", "threshold: 0.85"))
    found = 3
    while found != 1 and time.monotonic() < until:
        found = len(ask(server, "object-detection", {"image": PICTURE})["result"]["detectedObjects"])
        time.sleep(0.1)
    assert found == 1


def test_what_a_pipeline_lacks_is_said_before_anything_starts(folder: Path, tmp_path: Path) -> None:
    def refused(values: Any) -> str:
        with serve(tmp_path, str(written(tmp_path / "p.yaml", values)), waits=False) as ending:
            assert ending.process.wait(60) != 0
            return ending.log

    module = {"model_name": "PicoDet-S", "model_dir": None}
    about = {"pipeline_name": "object_detection", "SubModules": {"ObjectDetection": module}}
    assert "there is no model 'PicoDet-S': looked for" in refused(about)
    assert "pipeline 'PP-ChatOCRv4-doc' is not offered: it asks a language model" in refused(
        {"pipeline_name": "PP-ChatOCRv4-doc"}
    )
    other = {**about, "SubModules": {"ObjectDetection": {"model_dir": str(folder / "classifier")}}}
    assert "is for another task: What a picture shows" in refused(other)


def test_words_of_the_command_line(folder: Path) -> None:
    file = str(folder / "OCR.yaml")
    assert as_serve(["--serve", "--pipeline", file, "--device", "gpu:1", "--threads", "2"], {}) == [
        *(file, "--host", "0.0.0.0", "--port", "8080", "--gpu_ids", "1", "--threads", "2")
    ]
    from_environment = {"PADDLEX_HPS_PIPELINE_CONFIG_PATH": file, "PADDLEX_HPS_DEVICE_TYPE": "cpu"}
    assert as_serve(["--serve", "--port", "9"], from_environment) == [file, "--host", "0.0.0.0", "--port", "9"]
    for words, message in ((["--serve"], "names the YAML"), (["--serve", "--pipeline", "OCR"], "get_pipeline_config")):
        with pytest.raises(ValueError, match=message):
            as_serve(words, {})
    assert paddlex.main(["--serve", "--pipeline", "nothing.yaml"]) != 0


@pytest.mark.parametrize("seed", range(4))
def test_run_lengths_are_those_of_coco(seed: int) -> None:
    mask = np.random.default_rng(seed).random((13, 17)) > (0.1, 0.5, 0.9, 0.99)[seed]
    counts: list[int] = []
    text, at = run_lengths(mask), 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            letter = ord(text[at]) - 48
            value |= (letter & 0x1F) << shift
            more, at, shift = bool(letter & 0x20), at + 1, shift + 5
            if not more and letter & 0x10:
                value |= -1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    flat = np.repeat(np.arange(len(counts)) % 2, counts)
    assert (flat.reshape(mask.shape, order="F") == mask).all()
