"""Workflow archives."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from paddle_serving_app.mar import workflow
from paddle_serving_client.errors import BadModel

SPEC = """
models:
  min-workers: 1
  batch-size: 4
  retry-attempts: 3
  dogs: {url: dogs.mar, batch-size: 1, timeout-ms: 500}
  cats: {url: cats.mar}
dag:
  prepare: [dogs, cats]
  dogs: [join]
  cats: join
"""


def war(path: Path, spec: str = SPEC, handler: str = "functions.py") -> Path:
    said = {"workflow": {"workflowName": "pets", "specFile": "workflow.yaml", "handler": handler}, "runtime": "python"}
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(workflow.NAME, json.dumps(said))
        out.writestr("workflow.yaml", spec)
        out.writestr("functions.py", "")
    return path


def test_models_and_functions_are_nodes_of_a_graph(tmp_path: Path) -> None:
    found = workflow.opened(war(tmp_path / "pets.war"), tmp_path / "out")
    assert (found.name, found.handler) == ("pets", "functions.py")
    assert found.dag == {"prepare": ("dogs", "cats"), "dogs": ("join",), "cats": ("join",), "join": ()}
    assert found.order == ("prepare", "dogs", "cats", "join")
    dogs, cats = found.models["dogs"], found.models["cats"]
    assert (dogs.url, dogs.settings.batch_size, dogs.settings.min_workers, dogs.timeout_ms) == ("dogs.mar", 1, 1, 500)
    assert (cats.settings.batch_size, cats.retry_attempts, cats.timeout_ms) == (4, 3, 10_000)


@pytest.mark.parametrize(
    ("spec", "handler", "words"),
    [
        ("{}", "", "models: there is no model"),
        ("{models: {m: {}}}", "", "models: m: it has no url"),
        ("{models: {m: {url: a.mar}, speed: 2}}", "", "'speed' is neither a model"),
        ("{models: {m: {url: a.mar}}}", "", "a graph has 1 to 256 nodes, this one 0"),
        ("{models: {m: {url: a.mar}}, dag: {m: [f]}}", "", "'f' is none of the models (m), and no function, since"),
        (
            "{models: {m: {url: a.mar}}, dag: {m: [f-1]}}",
            "functions.py",
            "'f-1' is none of the models (m), and",
        ),
        ("{models: {m: {url: a.mar}}, dag: {m: [f], f: [m]}}", "functions.py", "it goes in a circle: f, m"),
        ("{models: {m: {url: a.mar}}, dag: {m: [m, m]}}", "", "has a node behind it twice"),
        (SPEC, "none.py", "handler names 'none.py', which is not in the archive"),
    ],
)
def test_what_is_no_graph_is_refused_and_leaves_nothing(tmp_path: Path, spec: str, handler: str, words: str) -> None:
    with pytest.raises(BadModel) as raised:
        workflow.opened(war(tmp_path / "w.war", spec, handler), tmp_path / "out")
    assert words in str(raised.value)
    assert os.listdir(tmp_path) == ["w.war"]
