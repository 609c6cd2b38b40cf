"""`/openapi.json` is true: every operation is there, and its examples are answered."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_app.signature import Input
from paddle_serving_client import dtype
from paddle_serving_server.protocols.http import examples, openapi
from paddle_serving_server.services.web_service import WebService
from tests.server.protocols.transport import Ask, serving


class Doubles(WebService):
    """Has steps, and so says nothing of what it takes."""

    title = "twice the price"

    def postprocess(self, feed=(), fetch=(), fetch_map=None):  # type: ignore[no-untyped-def]
        return {"twice": float(2 * fetch_map["price"].item())}


class Pictures(WebService):
    """Takes a picture."""

    kind = "image"

    def preprocess(self, feed=(), fetch=()):  # type: ignore[no-untyped-def]
        return {"x": [float(len(feed[0]["image"]))] * 13}, fetch, False


@pytest.fixture(scope="module")
def ask(uci_folder: Path) -> Iterator[Ask]:
    with serving(uci_folder, WebService("uci"), Doubles("twice"), Pictures("pictures")) as ask:
        yield ask


@pytest.fixture(scope="module")
def document(ask: Ask) -> Mapping[str, Any]:
    raw, _ = ask(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
    found: Mapping[str, Any] = json.loads(raw.partition(b"\r\n\r\n")[2])
    return found


def post(ask: Ask, path: str, body: bytes, kind: str) -> tuple[int, Any]:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    raw, _ = ask(head.encode() + body)
    return int(raw.split(b" ", 2)[1]), json.loads(raw.partition(b"\r\n\r\n")[2])


def fits(schema: Mapping[str, Any], value: object) -> bool:
    """Whether a value is as a schema says, in the words that are used here."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):  # type: ignore[arg-type]
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return all(fits(known.get(k, {}), v) for k, v in value.items()) and value.keys() >= set(
            schema.get("required", ())
        )
    if isinstance(value, list):
        length = schema.get("minItems", 0), schema.get("maxItems", len(value))
        return length[0] <= len(value) <= length[1] and all(fits(schema.get("items", {}), v) for v in value)
    return True


def test_every_path_is_there_and_names_the_services(document: Mapping[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    paths = document["paths"]
    for path in ("/uci/prediction", "/twice/prediction", "/services/uci/reload", "/health", "/docs", "/vars/{pattern}"):
        assert path in paths
    assert not [path for path in paths if "{name}" in path]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    identifiers = [operation["operationId"] for operation in operations]
    assert len(set(identifiers)) == len(identifiers)
    assert all(operation["summary"] and operation["responses"]["default"] for operation in operations)
    assert paths["/twice/prediction"]["post"]["summary"] == "twice the price"


def test_the_example_of_a_model_is_answered_and_fits_its_schema(ask: Ask, document: Mapping[str, Any]) -> None:
    operation = document["paths"]["/uci/prediction"]["post"]
    said = operation["requestBody"]["content"]["application/json"]
    assert said["example"]["feed"] == [{"x": [0.5] * 13}]
    assert fits(said["schema"], said["example"])
    assert not fits(said["schema"], {"feed": [{"x": [0.5] * 12}]})
    assert not fits(said["schema"], {"feed": []})
    status, answer = post(ask, "/uci/prediction", json.dumps(said["example"]).encode(), "application/json")
    assert status == 200
    assert fits(operation["responses"]["200"]["content"]["application/json"]["schema"], answer)
    assert set(answer["result"]) == {"price"}


def test_errors_fit_theirs(ask: Ask, document: Mapping[str, Any]) -> None:
    schema = document["components"]["schemas"]["Error"]
    for path, body in (("/uci/prediction", b"{}"), ("/nope/prediction", b"{}"), ("/a/b/c", b"")):
        status, answer = post(ask, path, body, "application/json")
        assert (status in (400, 404), fits(schema, answer)) == (True, True)


def test_a_service_of_pictures_says_how_they_are_sent(ask: Ask, document: Mapping[str, Any]) -> None:
    content = document["paths"]["/pictures/prediction"]["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data", "image/*", "application/json"]
    assert post(ask, "/pictures/prediction", b"0123456789", "image/jpeg")[0] == 200


@pytest.mark.parametrize(
    ("name", "shape", "is_lod", "expected"),
    [
        ("int64", (-1, 3), False, [{"x": [1, 1, 1]}]),
        ("float32", (-1,), False, [{"x": 0.5}]),
        ("bool", (-1, 2), False, [{"x": [True, True]}]),
        ("float64", (-1, -1, 2), False, [{"x": [[0.5, 0.5]]}]),
        ("string", (-1, 1), False, [{"x": ["text"]}]),
        ("float32", (2, 1), False, [{"x": [0.5]}] * 2),
        ("int64", (-1, 1), True, [{"x": [1, 1, 1]}]),
        ("float32", (-1, 2), True, [{"x": [[0.5, 0.5]] * 3}]),
        ("float32", (), False, None),
        ("complex64", (-1, 2), False, None),
        ("float32", (-1, 3, 224, 224), False, None),
    ],
)
def test_examples_have_the_type_and_shape_of_their_input(
    name: str, shape: tuple[int, ...], is_lod: bool, expected: object
) -> None:
    code = next(row.code for row in dtype.ELEM_TYPES.values() if row.name == name)
    given = Input("x", "x", code, shape, is_lod)
    found = examples.instances([given])
    assert found == expected
    assert all(fits(openapi.instance_schema([given]), instance) for instance in found or ())


def test_the_page_needs_nothing_else_and_runs_only_its_own_script(ask: Ask) -> None:
    raw, _ = ask(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, page = raw.partition(b"\r\n\r\n")
    assert b"script-src 'sha256-" in head
    assert b"http://" not in page
    assert b"https://" not in page
    assert page.count(b"<script") == 1
