"""web_service/detection.py on a real server, with a tiny detector: it frames the brightest pixels of the picture."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_client.io import inference_model_to_serving
from tests.serving import HTTP, ROOT, Server, serve

DOOR = str(ROOT / "web_service" / "detection.py")
SIDE = 32


def detector(onnx: Any, path: Path) -> None:
    """One box of class 1: all pixels above 1 of a channel, divided by `scale_factor`; its score is 0.75.

    The number of boxes is its first output.
    """
    make, numbers = onnx.helper, onnx.numpy_helper.from_array
    value = make.make_tensor_value_info
    float32 = onnx.TensorProto.FLOAT
    columns = np.broadcast_to(np.arange(SIDE, dtype=np.float32), (1, 1, SIDE, SIDE))
    rows = columns.transpose(0, 1, 3, 2)
    constants = {
        "columns": columns, "rows": rows, "far": np.array([999], np.float32), "one": np.array([1], np.float32),
        "head": np.array([[1, 0.75]], np.float32), "how_many": np.array([1], np.int32),
        "x": np.array([1]), "y": np.array([0]), "column": np.array([1, 1]),
    }  # fmt: skip
    nodes = [
        make.make_node("ReduceMax", ["image"], ["bright"], axes=[1], keepdims=1),
        make.make_node("Greater", ["bright", "one"], ["is_on"]),
        make.make_node("Gather", ["scale_factor", "x"], ["scale_x"], axis=1),
        make.make_node("Gather", ["scale_factor", "y"], ["scale_y"], axis=1),
    ]
    for name, axis in (("x", "columns"), ("y", "rows")):
        nodes += [
            make.make_node("Where", ["is_on", axis, "far"], [f"{name}_low"]),
            make.make_node("ReduceMin", [f"{name}_low"], [f"{name}_first"], keepdims=0),
            make.make_node("Neg", ["far"], ["minus"] if name == "x" else ["minus_2"]),
            make.make_node("Where", ["is_on", axis, "minus" if name == "x" else "minus_2"], [f"{name}_high"]),
            make.make_node("ReduceMax", [f"{name}_high"], [f"{name}_end"], keepdims=0),
            make.make_node("Add", [f"{name}_end", "one"], [f"{name}_last"]),
        ]
        for end in ("first", "last"):
            nodes.append(make.make_node("Reshape", [f"{name}_{end}", "column"], [f"{name}_{end}_column"]))
            nodes.append(make.make_node("Div", [f"{name}_{end}_column", f"scale_{name}"], [f"{name}_{end}_box"]))
    parts = ["head", "x_first_box", "y_first_box", "x_last_box", "y_last_box"]
    nodes.append(make.make_node("Concat", parts, ["boxes"], axis=1))
    nodes.append(make.make_node("Identity", ["how_many"], ["boxes_num"]))
    inputs = [value("image", float32, ["n", 3, SIDE, SIDE]), value("scale_factor", float32, ["n", 2])]
    graph = make.make_graph(
        nodes,
        "g",
        inputs,
        [value("boxes_num", onnx.TensorProto.INT32, [1]), value("boxes", float32, ["k", 6])],
        [numbers(np.ascontiguousarray(v), k) for k, v in constants.items()],
    )
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8), str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    onnx = pytest.importorskip("onnx")
    made = tmp_path_factory.mktemp("detection")
    (made / "trained").mkdir()
    detector(onnx, made / "trained" / "model.onnx")
    inference_model_to_serving(made / "trained", made / "server", made / "client")
    (made / "labels.txt").write_text("thing\nlamp\n")
    (made / "too_few.txt").write_text("thing\n")
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serve(
        folder, "--tune", "off", "--service", DOOR, "--", str(folder / "server"), str(folder / "labels.txt")
    ) as it:
        yield it


def lamp(left: int, top: int, width: int = 64, height: int = 48, size: int = 16) -> str:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[top : top + size, left : left + size] = 255
    return base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()


def ask(server: Server, feed: list[dict[str, Any]], *fetch: str) -> Any:
    answer = HTTP.request("POST", f"{server.url}/detection/prediction", json={"feed": feed, "fetch": list(fetch)})
    assert answer.status == 200, answer.data
    return answer.json()["result"]


def test_boxes_are_in_pixels_of_the_picture(server: Server) -> None:
    result = ask(server, [{"image": lamp(32, 24)}, {"image": lamp(64, 0, 128, 96, 32)}])
    assert result["labels"] == [["lamp"], ["lamp"]]
    assert result["scores"] == [[0.75], [0.75]]
    for (box,), expected in zip(result["boxes"], ([32, 24, 48, 40], [64, 0, 96, 32]), strict=True):
        assert np.abs(np.array(box) - expected).max() <= 4  # one pixel of the input is up to 4 of the picture


def test_boxes_are_drawn_with_their_labels(server: Server) -> None:
    (drawn,) = ask(server, [{"image": lamp(100, 100, 256, 256, 64)}], "image")["image"]
    picture: Any = cv2.imdecode(np.frombuffer(base64.b64decode(drawn), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (256, 256, 3)
    assert (picture[80:98, 100:130].max(axis=2) > 100).mean() > 0.3  # the label above the box


def test_what_was_not_meant_says_why(server: Server) -> None:
    for said, message in (
        ({"feed": [{"picture": 1}]}, "feed[0] has no 'image'"),
        ({"feed": [{"image": lamp(1, 1)}], "fetch": ["box"]}, "unknown fetch 'box'"),
        ({"feed": [{"image": lamp(1, 1)}, {"image": 3}]}, "feed[1]: "),
    ):
        answer = HTTP.request("POST", f"{server.url}/detection/prediction", json=said)
        assert answer.status == 400
        assert message in str(answer.json())


def test_labels_that_do_not_fit_are_said(folder: Path) -> None:
    asked = ("--tune", "off", "--service", DOOR, "--", str(folder / "server"), str(folder / "too_few.txt"))
    with serve(folder, *asked) as other:
        answer = HTTP.request("POST", f"{other.url}/detection/prediction", json={"feed": [{"image": lamp(9, 9)}]})
        assert answer.status >= 500
        assert "class 1, but there are labels for 1 classes only" in str(answer.json())
