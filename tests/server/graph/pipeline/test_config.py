from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.graph.pipeline import config
from paddle_serving_server.graph.pipeline.config import LocalModel, PipelineConfig, RemoteModel
from paddle_serving_server.graph.pipeline.op_order import ordered
from paddle_serving_server.graph.pipeline.pipeline import Pipeline
from paddle_serving_server.pipeline import LocalServiceHandler, Op, RequestOp, ResponseOp
from paddle_serving_server.util import ArgsParser
from tests.serving import ROOT

UCI = str(ROOT / "serving_model" / "uci_housing")


def test_defaults_and_empty_values() -> None:
    said = config.read(yml_dict={"http_port": 9999, "dag": {"tracer": None, "retry": None}, "op": {"a": None}, "z": 1})
    assert said == PipelineConfig(http_port=9999, ops={"a": {}})
    assert said.ports == (9999,)
    assert config.read(yml_dict={"rpc_port": 1024, "http_port": 65535}).ports == (65535, 1024)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "rpc_port or http_port must be set"),
        ({"http_port": 80}, "http_port must be >= 1024 and <= 65535, but get 80"),
        ({"http_port": True}, "http_port must be <class 'int'> type, but get <class 'bool'>"),
        ({"http_port": 9999, "dag": []}, "dag must be <class 'dict'>"),
        ({"http_port": 9999, "dag": {"channel_size": -1}}, "dag.channel_size must be >= 0"),
        ({"http_port": 9999, "dag": {"client_type": "x"}}, "brpc or grpc"),
        ({"http_port": 9999, "dag": {"tracer": {"interval_s": "x"}}}, "dag.tracer.interval_s"),
        ({"http_port": 9999, "op": {"a": 1}}, "op.a must be"),
    ],
)
def test_a_wrong_value_is_named(said: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        config.read(yml_dict=said)
    assert words in str(caught.value)


def test_a_file_or_a_dict_but_not_both(tmp_path: Path) -> None:
    for arguments in ({}, {"yml_file": "x", "yml_dict": {}}, {"yml_file": tmp_path / "none.yml"}):
        with pytest.raises(BadConfig):
            config.read(**arguments)


def test_the_constructor_wins_over_the_file() -> None:
    said = PipelineConfig(http_port=9999, ops={"a": {"concurrency": 3, "timeout": 100, "auto_batching_timeout": 20}})
    settings = config.op_config("a", {"concurrency": 2, "timeout": None}, said)
    assert (settings.concurrency, settings.timeout_s, settings.batch_wait_s) == (2, 0.1, 0.02)
    remote = {"server_endpoints": ["a:1"], "client_config": "c", "fetch_list": ["y"]}
    assert config.op_config("b", remote, said).model == RemoteModel(endpoints=("a:1",), client_config="c", fetch=("y",))
    handler = LocalServiceHandler(UCI, devices="1", precision="FP16", fetch_names=["y"])
    model = config.op_config("c", Op(local_service_handler=handler).given, said).model
    assert isinstance(model, LocalModel)
    assert (model.fetch, model.options.gpu_id, model.options.precision) == (("y",), 1, "fp16")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"concurrency": 0}, "op.a.concurrency must be >= 1"),
        ({"server_endpoints": ["x:1"]}, "client_config"),
        ({"server_endpoints": ["x:1"], "client_type": "x"}, "pipeline_grpc"),
        ({"local_service_conf": {"model_config": "/none"}}, "model_config: /none: there is no such file or folder"),
        ({"local_service_conf": {"model_config": UCI, "devices": 0}}, "devices must be <class 'str'>"),
        ({"local_service_conf": {"model_config": UCI, "device_type": 4}}, "device_type 4 is not served"),
        ({"local_service_conf": {"model_config": UCI, "devices": "x"}}, "numbers"),
        ({"local_service_conf": {"model_config": UCI, "precision": "x"}}, "fp32"),
        ({"local_service_conf": {"model_config": UCI, "client_type": "x"}}, "local_predictor"),
    ],
)
def test_a_wrong_value_of_an_op_is_named(said: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        config.op_config("a", said, PipelineConfig(http_port=9999))
    assert words in str(caught.value)


def test_the_command_line_of_scripts(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("http_port: 9999\nop:\n  a:\n    concurrency: 1\n")
    changes = ["op.a.concurrency=2", "dag.is_thread_op=False", "op.b.client_type=brpc"]
    said = ArgsParser().parse_args(["-c", str(tmp_path / "c.yml"), "-o", *changes])
    assert said.conf_dict == {
        "http_port": 9999,
        "op": {"a": {"concurrency": 2}, "b": {"client_type": "brpc"}},
        "dag": {"is_thread_op": False},
    }


# -- graphs


class Joining(Op):
    def preprocess(self, input_dicts: Any, data_id: int, log_id: int) -> Any:
        return {}, True, None, ""


def test_an_order_in_which_each_op_is_behind_those_before_it() -> None:
    read = RequestOp()
    a = Op("a", input_ops=[read])
    b = Op("b", input_ops=a)
    c = Joining("c", input_ops=[b, a])
    graph = ordered(ResponseOp([c]))
    assert [op.name for op in graph.steps] == ["a", "b", "c"]
    assert graph.behind["a"] == (b, c)


def bad_graphs() -> dict[str, tuple[list[Op], str]]:
    read = RequestOp()
    a, b = Op("a", input_ops=[read]), Op("b", input_ops=[read])
    circle = Joining("circle", input_ops=[a])
    circle.set_input_ops([a, circle])
    back = Op("back", input_ops=[a])
    back.set_jump_to_ops([a])
    return {
        "two ends": ([a, b], "exactly one op in front of it, got 2"),
        "circle": ([circle], "circle -> circle"),
        "no request": ([Op("a")], "exactly one RequestOp"),
        "two requests": ([Joining("j", input_ops=[a, RequestOp()])], "this one has 2"),
        "nothing": ([read], "at least one op"),
        "orphan": ([Joining("j", input_ops=[a, Op("o")])], "'o' has no op in front"),
        "twins": ([Op("a", input_ops=[a])], "two ops are named 'a'"),
        "no join": ([Op("j", input_ops=[a, b])], "needs a preprocess"),
        "back": ([back], "jumps to 'a', which is not behind it"),
    }


@pytest.mark.parametrize("name", bad_graphs())
def test_ops_that_make_no_graph(name: str) -> None:
    ends, words = bad_graphs()[name]
    with pytest.raises(BadConfig) as caught:
        Pipeline("p", ResponseOp(ends), PipelineConfig(http_port=9999))
    assert words in str(caught.value)
