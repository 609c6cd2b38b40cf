"""web_service/segmentation.py on a real server: with its own network where that is made, and with somebody else's."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_client.io import inference_model_to_serving
from tests.serving import HTTP, ROOT, Server, serve

DOOR = str(ROOT / "web_service" / "segmentation.py")
MODEL = ROOT / "serving_model" / "segmentation"
LABELS = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A network of somebody's own: the class of a pixel is its strongest channel."""
    onnx = pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("segmentation")
    shape = ["n", 3, 16, 24]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    (folder / "trained").mkdir()
    onnx.save(model, str(folder / "trained" / "model.onnx"))
    inference_model_to_serving(folder / "trained", folder / "server", folder / "client")
    (folder / "labels.txt").write_text("\n".join(LABELS))
    with serve(
        folder, "--tune", "off", "--service", DOOR, "--", str(folder / "server"), str(folder / "labels.txt")
    ) as running:
        yield running


def halves() -> Any:
    """Red on the left, blue on the right, as BGR."""
    picture = np.zeros((160, 240, 3), np.uint8)
    picture[:, :120, 2] = 220
    picture[:, 120:, 0] = 220
    return picture


def text(picture: Any) -> str:
    return base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()


def pixels(encoded: str, how: int = cv2.IMREAD_COLOR) -> Any:
    return cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), how)


def ask(server: Server, feed: list[dict[str, Any]], *fetch: str) -> Any:
    answer = HTTP.request("POST", f"{server.url}/segmentation/prediction", json={"feed": feed, "fetch": list(fetch)})
    assert answer.status == 200, answer.data
    return answer.json()["result"]


def test_classes_and_shares(server: Server) -> None:
    body = cv2.imencode(".png", halves())[1].tobytes()
    answer = HTTP.request(
        "POST", f"{server.url}/segmentation/prediction", body=body, headers={"Content-Type": "image/png"}
    )
    (labels,), (shares,) = answer.json()["result"].values()
    assert sorted(labels) == ["blue", "red"]
    assert shares == [0.5, 0.5]


def test_several_pictures_and_their_masks(server: Server) -> None:
    green = np.zeros((50, 40, 3), np.uint8)
    green[:, :, 1] = 255
    result = ask(server, [{"image": text(halves())}, {"image": text(green)}], "mask", "labels")
    assert list(result) == ["mask", "labels"]
    assert result["labels"][1] == ["green"]
    first, second = (pixels(mask, cv2.IMREAD_UNCHANGED) for mask in result["mask"])
    assert first.shape == (160, 240)
    assert (first[:, :115] == 0).all()
    assert (first[:, 125:] == 2).all()
    assert second.shape == (50, 40)
    assert (second == 1).all()


def test_the_mask_painted_over_the_picture(server: Server) -> None:
    (painted,) = ask(server, [{"image": text(halves())}], "image")["image"]
    drawn = pixels(painted).astype(int)
    assert drawn.shape == (160, 240, 3)
    assert np.abs(drawn[20, 20] - halves()[20, 20]).max() < 20  # the first class is background
    assert np.abs(drawn[20, 220] - halves()[20, 220]).max() > 80


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        ({"feed": [{"picture": "x"}]}, 400, "feed[0] has no 'image'"),
        ({"feed": [{"image": "x"}], "fetch": ["masks"]}, 400, "unknown fetch 'masks'; there are labels, shares, mask"),
        ({"feed": [{"image": "x"}] * 17}, 413, "at most 16"),
        ({"feed": [{"image": text(halves())}, {"image": "????"}]}, 400, "feed[1]: "),
    ],
)
def test_what_was_not_meant_says_why(server: Server, said: object, status: int, message: str) -> None:
    answer = HTTP.request("POST", f"{server.url}/segmentation/prediction", json=said)
    assert (answer.status, message in str(answer.json())) == (status, True), answer.data


def test_labels_that_do_not_fit_are_said(server: Server, tmp_path: Path) -> None:
    made = server._log.parent / "server"
    (tmp_path / "labels.txt").write_text("\n".join("abcde"))
    with serve(tmp_path, "--tune", "off", "--service", DOOR, "--", str(made), str(tmp_path / "labels.txt")) as other:
        answer = HTTP.request(
            "POST", f"{other.url}/segmentation/prediction", json={"feed": [{"image": text(halves())}]}
        )
        assert answer.status >= 500
        assert "labels.txt does not fit the model" in str(answer.json())


@pytest.mark.skipif(not MODEL.exists(), reason="python convert/segmentation.py makes the model")
def test_the_network_of_the_recipe_finds_the_shapes(tmp_path: Path) -> None:
    with serve(tmp_path, "--service", DOOR) as running:
        sample = (ROOT / "static" / "samples" / "shapes.jpg").read_bytes()
        url = f"{running.url}/segmentation/prediction?fetch=labels,mask,image"
        answer = HTTP.request("POST", url, body=sample, headers={"Content-Type": "image/jpeg"})
        assert answer.status == 200, answer.data
        (labels,), (mask,), (painted,) = answer.json()["result"].values()
    assert pixels(painted).shape == (512, 512, 3)
    assert labels[0] == "background"
    assert set(labels) == {"background", "circle", "square", "triangle"}
    classes = pixels(mask, cv2.IMREAD_UNCHANGED)
    assert classes.shape == (512, 512)
    assert [int(classes[y, x]) for x, y in ((254, 280), (324, 466), (78, 190), (500, 20))] == [1, 2, 3, 0]
