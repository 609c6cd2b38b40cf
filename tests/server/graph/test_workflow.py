"""Which ops run which models: flags and builders say the same in different words."""

import pytest
from google.protobuf import text_format

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.proto import workflow_pb2
from paddle_serving_server.graph.workflow import chain, from_message, op_names


def names(folders: list[str], ops: list[str] | None = None) -> list[tuple[str, str, str]]:
    return [(node.name, node.folder, node.source) for node in chain(folders, ops or []).nodes]


def test_models_are_a_chain() -> None:
    assert names(["a", "b"]) == [("GeneralInferOp_0", "a", ""), ("GeneralInferOp_1", "b", "GeneralInferOp_0")]
    assert chain(["a", "b"]).ends == ("GeneralInferOp_1",)


def test_ops_take_the_folders_in_order() -> None:
    expected = [("GeneralDetectionOp_0", "a", ""), ("GeneralInferOp_0", "b", "GeneralDetectionOp_0")]
    assert names(["a", "b"], ["GeneralDetectionOp", "GeneralInferOp"]) == expected
    assert names(["a", "b"], ["GeneralReaderOp", "general_detection", "general_infer", "GeneralResponseOp"]) == expected


def test_a_text_detector_is_known_by_its_folder() -> None:
    assert [node.op for node in chain(["ocr_det_model", "ocr_rec_model"]).nodes] == [
        "GeneralDetectionOp",
        "GeneralInferOp",
    ]
    assert [node.op for node in chain(["ocr_det_model"]).nodes] == ["GeneralInferOp"]
    assert [node.op for node in chain(["x/ocr_det_model", "b"]).nodes] == ["GeneralInferOp", "GeneralInferOp"]


@pytest.mark.parametrize(
    ("folders", "ops", "words"),
    [
        (["a"], ["GeneralDistKVOp"], f"no op 'GeneralDistKVOp'; there are {', '.join(op_names())}"),
        (["a"], ["GeneralInferOp", "GeneralInferOp"], "names 2 ops (GeneralInferOp GeneralInferOp) and --model 1"),
        (["a"], ["GeneralInferOp:0"], "--op GeneralInferOp:0: GeneralInferOp needs a model"),
    ],
)
def test_ops_that_cannot_be_are_named(folders: list[str], ops: list[str], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        chain(folders, ops)
    assert words in str(caught.value)


def message(*nodes: tuple[str, str, list[str]]) -> workflow_pb2.Workflow:
    said = workflow_pb2.Workflow(name="workflow1", workflow_type="Sequence")
    for name, kind, sources in nodes:
        node = said.nodes.add(name=name, type=kind)
        for source in sources:
            node.dependencies.add(name=source, mode="RO")
    return text_format.Parse(text_format.MessageToString(said), workflow_pb2.Workflow())


READER = ("r", "GeneralReaderOp", list[str]())


def test_models_side_by_side() -> None:
    graph = message(
        READER,
        ("cnn", "GeneralInferOp", ["r"]),
        ("bow", "GeneralInferOp", ["r"]),
        ("out", "GeneralResponseOp", ["cnn", "bow"]),
    )
    flow = from_message(graph, {"bow": "b", "cnn": "c"})
    assert [(node.name, node.folder, node.source) for node in flow.nodes] == [("cnn", "c", ""), ("bow", "b", "")]
    assert flow.ends == ("cnn", "bow")
    assert from_message(graph, ["c", "b"]) == flow


@pytest.mark.parametrize(
    ("nodes", "folders", "words"),
    [
        ([READER, ("a", "GeneralInferOp", ["r"])], ["x", "y"], "the ops with a model are a; 2 model folders"),
        ([READER, ("a", "GeneralInferOp", ["r"])], {"b": "x"}, "the ops with a model are a; 1 model folders"),
        (
            [("a", "GeneralInferOp", ["b"]), ("b", "GeneralInferOp", [])],
            ["x", "y"],
            "a takes from b, which is not before",
        ),
        (
            [("a", "GeneralInferOp", []), ("b", "GeneralInferOp", []), ("c", "GeneralInferOp", ["a", "b"])],
            ["x", "y", "z"],
            "op c takes from a, b; an op takes from one",
        ),
        ([READER], [], "no op with a model"),
    ],
)
def test_graphs_that_cannot_be_are_explained(
    nodes: list[tuple[str, str, list[str]]], folders: list[str], words: str
) -> None:
    with pytest.raises(BadConfig) as caught:
        from_message(message(*nodes), folders)
    assert words in str(caught.value)
