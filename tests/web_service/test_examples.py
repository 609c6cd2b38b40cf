"""Every example that the server gives is answered, whatever kind of service it is of."""

import json
from typing import Any

import pytest

from tests.serving import HTTP, Server
from tests.web_service import kinds

SILENT = {"echo_bytes"}
"""Says nothing of what it takes."""
DEAD = {"broken", "resting"}
PIPELINES = {"split", "arrays", "photo"}
NAMED = {"uci", "prices", "sequences", "count_words", "things", "reader", "words", "versions"}
ALIVE = {*kinds.MODELS, *PIPELINES, *NAMED}


@pytest.fixture(scope="module")
def paths(all_kinds: Server) -> Any:
    return json.loads(HTTP.request("GET", f"{all_kinds.url}/openapi.json").data)["paths"]


def _path(name: str) -> str:
    return f"/{name}/{{method}}" if name in PIPELINES else f"/{name}/prediction"


def test_there_is_a_path_for_each_that_answers(paths: Any) -> None:
    found = {
        path for path in paths if path.endswith(("/prediction", "/{method}")) and "GeneralModelService" not in path
    }
    assert found == {_path(name) for name in ALIVE | SILENT}


@pytest.mark.parametrize("name", sorted(ALIVE))
def test_the_example_in_the_document_is_answered(all_kinds: Server, paths: Any, name: str) -> None:
    content = paths[_path(name)]["post"]["requestBody"]["content"]
    given = {kind: said for kind, said in content.items() if "example" in said or "examples" in said}
    assert len(given) == 1
    ((kind, said),) = given.items()
    headers, body = {"Content-Type": kind}, json.dumps(said.get("example")).encode()
    if "examples" in said:
        (example,) = said["examples"].values()
        reply = HTTP.request("GET", f"{all_kinds.url}{example['externalValue']}")
        headers, body = {"Content-Type": reply.headers["Content-Type"]}, reply.data
        assert len(body) < 1 << 20
    assert len(json.dumps(said)) < 4096
    asked = _path(name).replace("{method}", "prediction")
    reply = HTTP.request("POST", f"{all_kinds.url}{asked}", body=body, headers=headers)
    answer = json.loads(reply.data)
    assert (reply.status, answer.get("err_no", 0)) == (200, 0), answer
    assert answer.get("result") or answer.get("key")


@pytest.mark.parametrize("name", sorted(ALIVE))
def test_the_same_by_its_own_path(all_kinds: Server, name: str) -> None:
    example = HTTP.request("GET", f"{all_kinds.url}/services/{name}/example")
    asked = _path(name).replace("{method}", "prediction")
    headers = {"Content-Type": example.headers["Content-Type"]}
    reply = HTTP.request("POST", f"{all_kinds.url}{asked}", body=example.data, headers=headers)
    assert (reply.status, json.loads(reply.data).get("err_no", 0)) == (200, 0), reply.data


def test_what_has_none_says_so(all_kinds: Server, paths: Any) -> None:
    assert set(paths["/echo_bytes/prediction"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "application/octet-stream",
    }
    for name, status in (("echo_bytes", 404), ("broken", 404), ("nobody", 404)):
        reply = HTTP.request("GET", f"{all_kinds.url}/services/{name}/example")
        assert reply.status == status, reply.data
        assert json.loads(reply.data)["err_msg"]


def test_examples_of_the_other_apis_are_answered(all_kinds: Server, paths: Any) -> None:
    asked = set()
    for path, operations in paths.items():
        body = operations.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        if path.startswith(("/v1/models/", "/v2/models/")) and "example" in body and "{" not in path:
            reply = HTTP.request("POST", f"{all_kinds.url}{path}", json=body["example"])
            assert reply.status == 200, (path, reply.data)
            asked.add(path.split("/")[3].partition(":")[0])
    assert asked >= {"several", "table", "uci", "text"}


def test_services_say_what_was_tried_and_what_each_version_does(all_kinds: Server) -> None:
    described = json.loads(HTTP.request("GET", f"{all_kinds.url}/services").data)["services"]
    services = {service["name"]: service for service in described}
    (table,) = services["table"]["inputs"]
    assert table["sample"] == {"shape": [1, 2], "value": 0}
    assert services["sequences"]["inputs"][0]["is_lod"]
    assert services["count_words"]["title"] == "Count words / 数词"
    assert services["prices"]["fields"][0]["unit"] == "crimes"
    assert services["broken"]["state"] == "REFUSED"
    assert "broken" in services["broken"]["reason"]
    assert (services["resting"]["state"], services["resting"]["ready"]) == ("UNLOADED", False)
    assert [v["version"] for v in services["versions"]["versions"]] == ["2", "1"]
    assert services["versions"]["default"] == "2"
