"""Exported models on a real server: no code, no flags, only their folders."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import exported_models
from tests.serving import HTTP, Server, serve

NAMES = ("detector", "segmentation", "instances", "line")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    made = tmp_path_factory.mktemp("exports")
    for name in NAMES:
        exported_models.make(name, made)
    exported_models.make("classifier", made / "versions").rename(made / "versions" / "1")
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    things = [str(folder / name) for name in NAMES] + [f"animals={folder / 'versions'}"]
    with serve(folder, *things, "--reload_interval_s", "0") as running:
        yield running


def asked(server: Server, name: str, instances: list[dict[str, Any]], *fetch: str) -> Any:
    said = {"feed": instances, "fetch": list(fetch)}
    answer = HTTP.request("POST", f"{server.url}/{name}/prediction", json=said)
    assert answer.status == 200, answer.data
    return answer.json()["result"]


def text(picture: Any) -> str:
    return base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()


def test_a_picture_is_all_that_is_sent(server: Server) -> None:
    picture = cv2.imencode(".png", exported_models.picture())[1].tobytes()
    url = f"{server.url}/detector/prediction"
    answer = HTTP.request("POST", url, body=picture, headers={"Content-Type": "image/png"})
    assert answer.status == 200, answer.data
    assert {key: len(value[0]) for key, value in answer.json()["result"].items()} == {
        "boxes": 3,
        "labels": 3,
        "scores": 3,
    }


def test_several_pictures_with_thresholds_of_their_own(server: Server) -> None:
    picture = text(exported_models.picture())
    result = asked(server, "detector", [{"image": picture}, {"image": picture, "threshold": 0.85}], "labels", "image")
    assert [len(labels) for labels in result["labels"]] == [3, 1]
    drawn = cv2.imdecode(np.frombuffer(base64.b64decode(result["image"][0]), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert np.abs(drawn.astype(int) - exported_models.picture()).max() > 50


def test_masks_are_pictures(server: Server) -> None:
    picture = text(exported_models.picture())
    mask = asked(server, "segmentation", [{"image": picture}], "mask")["mask"][0]
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(mask), np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert (pixels.shape, set(np.unique(pixels).tolist())) == ((200, 320), {0, 1, 2})
    masks = asked(server, "instances", [{"image": picture}], "masks")["masks"][0]
    assert len(masks) == 2


def test_what_is_served_is_described(server: Server) -> None:
    described = {one["name"]: one for one in HTTP.request("GET", f"{server.url}/services").json()["services"]}
    assert {one["kind"] for one in described.values()} == {"image"}
    assert [output["name"] for output in described["instances"]["outputs"]][-2:] == ["masks", "image"]
    assert described["line"]["title"] == "Read a line of text / 文本识别"


@pytest.mark.parametrize(
    ("instance", "fetch", "status", "message"),
    [
        ({"picture": 1}, (), 400, "feed[0] has no 'image'"),
        ({"image": "????"}, (), 400, "not valid base64"),
        ({"image": text(exported_models.picture()), "tresh": 1}, (), 400, "unknown field 'tresh' beside the picture"),
        ({"image": text(exported_models.picture())}, ("box",), 400, "unknown fetch 'box'; there are boxes, labels"),
    ],
)
def test_what_was_not_meant_says_why(
    server: Server, instance: dict[str, Any], fetch: tuple[str, ...], status: int, message: str
) -> None:
    said = {"feed": [instance], "fetch": list(fetch)}
    answer = HTTP.request("POST", f"{server.url}/detector/prediction", json=said)
    assert (answer.status, message in str(answer.json())) == (status, True), answer.data


def test_a_new_version_brings_its_own_labels_and_a_broken_one_is_refused(server: Server, folder: Path) -> None:
    picture = {"image": text(exported_models.picture())}
    first = asked(server, "animals", [picture])["labels"][0]
    assert first == ["cat", "formula", "image"]
    versions = folder / "versions"
    made = exported_models.make("classifier", folder / "making")
    described = (made / "inference.yml").read_text()
    (made / "inference.yml").write_text(described.replace("ResizeImage", "ResizeSomehow"))
    made.rename(versions / "2")
    reloaded = HTTP.request("POST", f"{server.url}/services/animals/reload")
    assert "there is no step 'ResizeSomehow' here" in str(reloaded.data.decode()), reloaded.data
    assert asked(server, "animals", [picture])["labels"][0] == first
    better = exported_models.make("classifier", folder / "better")
    (better / "inference.yml").write_text(described.replace("- cat", "- lion"))
    better.rename(versions / "3")
    assert HTTP.request("POST", f"{server.url}/services/animals/reload").status == 200
    assert asked(server, "animals", [picture])["labels"][0] == ["lion", "formula", "image"]


def test_a_file_that_is_not_known_ends_the_start(folder: Path, tmp_path: Path) -> None:
    made = exported_models.make("classifier", tmp_path)
    said = (made / "inference.yml").read_text()
    (made / "inference.yml").write_text(said.replace("CropImage", "RandomCrop"))
    with serve(tmp_path, str(made), waits=False) as ending:
        assert ending.process.wait(60) != 0
        assert "transform_ops[1] RandomCrop: there is no step 'RandomCrop' here" in ending.log
