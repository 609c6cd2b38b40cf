"""Services of tables: callers send names, over every API that has some."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import data
from tests.serving import HTTP, Server, serve

DATA = Path(data.__file__).parent
WEIGHT = json.loads((DATA / "weight_variation" / "expected.json").read_text())
CLASSES = json.loads((DATA / "sklearn" / "expected.json").read_text())
SAVED = "barcamp2024-model-tensorflow"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("tabular")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        weight = DATA / "weight_variation"
        saved = Path(shutil.copytree(weight / "saved" / SAVED, home / SAVED))
        plain = shutil.copy(DATA / "sklearn" / "classifier.onnx", home / "classifier.onnx")
        described = home / "described"
        described.mkdir()
        shutil.copy(plain, described / "model.onnx")
        (described / "fields.yml").write_text("fields: {age: {minimum: 0}, rooms: , city: {choices: [Oslo, Rome]}}")
        things = (f"weight={weight / 'barcamp2024-model-pytorch.onnx'}", str(saved), str(plain), str(described))
        with serve(home, *things, "--tune", "off") as running:
            yield running


def posted(server: Server, path: str, body: object) -> tuple[int, Any]:
    reply = HTTP.request("POST", f"http://127.0.0.1:{server.port}{path}", json=body)
    return reply.status, reply.json()


def get(server: Server, path: str) -> Any:
    return HTTP.request("GET", f"http://127.0.0.1:{server.port}{path}").json()


def test_names_are_taken_and_refused(server: Server) -> None:
    row = WEIGHT["datapoint"]
    status, answer = posted(server, "/weight/prediction", {"feed": [row, row], "fetch": ["y"]})
    expected = [pytest.approx(WEIGHT["datapoint_expected"], abs=1e-6)]
    assert (status, answer["result"]["y"]) == (200, [expected, expected])
    status, answer = posted(server, "/weight/prediction", {"feed": [{**row, "gender": "X"}]})
    assert (status, answer["err_msg"]) == (400, "feed[0]: field 'gender' must be one of 'F', 'M', got 'X'")
    ready = {"feed": [{"x": WEIGHT["datapoint_features"]}]}
    assert posted(server, "/weight/prediction", ready)[1]["result"]["y"] == [expected]


def test_the_saved_model_of_source_004_is_asked_by_predict(server: Server) -> None:
    status, answer = posted(server, f"/v1/models/{SAVED}:predict", {"instances": WEIGHT["instances"]})
    assert (status, answer) == (200, {"predictions": [[pytest.approx(WEIGHT["instances_expected"][0][0], abs=1e-6)]]})
    said = get(server, f"/v1/models/{SAVED}/metadata")["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert said["inputs"]["dense_input"]["name"] == "serving_default_dense_input:0"
    assert list(said["outputs"]) == ["dense_1"]


@pytest.mark.parametrize("name", ["classifier", "described"])
def test_a_pipeline_of_scikit_learn_answers(server: Server, name: str) -> None:
    status, answer = posted(server, f"/{name}/prediction", {"feed": CLASSES["rows"]})
    assert (status, answer["result"]["output_label"]) == (200, CLASSES["label"])
    assert answer["result"]["output_probability"] == [pytest.approx(row, abs=1e-5) for row in CLASSES["prob"]]


def test_a_pipeline_is_asked_by_tensorflow_servings_rows(server: Server) -> None:
    rows = [{name: [value] for name, value in row.items()} for row in CLASSES["rows"]]
    status, answer = posted(server, "/v1/models/classifier:predict", {"instances": rows})
    assert status == 200
    assert [row["output_label"] for row in answer["predictions"]] == CLASSES["label"]


def test_choices_are_kept_where_fields_say_them(server: Server) -> None:
    row = {**CLASSES["rows"][0], "city": "Paris"}
    assert posted(server, "/classifier/prediction", {"feed": [row]})[0] == 200  # the encoder takes what it never saw
    status, answer = posted(server, "/described/prediction", {"feed": [row]})
    assert (status, answer["err_msg"]) == (400, "feed[0]: field 'city' must be one of 'Oslo', 'Rome', got 'Paris'")


def test_pages_are_told_of_the_fields(server: Server) -> None:
    said = {service["name"]: service for service in get(server, "/services")["services"]}
    assert [(said[name]["kind"], said[name]["title"]) for name in ("weight", "classifier")] == [
        ("fields", "Change of weight"),
        ("numbers", ""),
    ]
    assert said["weight"]["fields"][1] == {"name": "gender", "kind": "choice", "title": "Gender", "choices": ["F", "M"]}
    operation = get(server, "/openapi.json")["paths"]["/weight/prediction"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    properties = content["schema"]["properties"]["feed"]["items"]["properties"]
    assert properties["gender"] == {"title": "Gender", "enum": ["F", "M"], "examples": ["F"]}
    assert content["example"]["feed"] == [WEIGHT["datapoint"]]
    status, answer = posted(server, "/weight/prediction", content["example"])
    assert (status, answer["result"]["y"][0][0]) == (200, pytest.approx(WEIGHT["datapoint_expected"], abs=1e-6))
