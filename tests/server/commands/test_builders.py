"""Scripts of Paddle Serving that build their server in Python, as people have them."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_client import Client
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.model_config import SERVER_CONFIG
from paddle_serving_server import OpGraphMaker, OpMaker, OpSeqMaker, Server
from tests import models
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import HTTP, ROOT, serve

SEQUENCE = """
import sys
from paddle_serving_server import OpMaker
from paddle_serving_server import OpSeqMaker
from paddle_serving_server import Server

op_maker = OpMaker()
read_op = op_maker.create('{reader}')
general_infer_op = op_maker.create('{infer}')
response_op = op_maker.create('{response}')

op_seq_maker = OpSeqMaker()
op_seq_maker.add_op(read_op)
op_seq_maker.add_op(general_infer_op)
op_seq_maker.add_op(response_op)

server = Server()
server.set_op_sequence(op_seq_maker.get_op_sequence())
server.load_model_config({folder!r})
server.prepare_server(workdir="work_dir1", port=int(sys.argv[2]), device="cpu")
server.run_server()
print("the end")
"""
ENSEMBLE = """
import sys
from paddle_serving_server import OpMaker
from paddle_serving_server import OpGraphMaker
from paddle_serving_server import Server

op_maker = OpMaker()
read_op = op_maker.create('GeneralReaderOp')
cnn_infer_op = op_maker.create('GeneralInferOp', engine_name='cnn', inputs=[read_op])
bow_infer_op = op_maker.create('GeneralInferOp', engine_name='bow', inputs=[read_op])
response_op = op_maker.create('GeneralResponseOp', inputs=[cnn_infer_op, bow_infer_op])

op_graph_maker = OpGraphMaker()
op_graph_maker.add_op(read_op)
op_graph_maker.add_op(cnn_infer_op)
op_graph_maker.add_op(bow_infer_op)
op_graph_maker.add_op(response_op)

server = Server()
server.set_op_graph(op_graph_maker.get_op_graph())
server.load_model_config({{cnn_infer_op: {first!r}, bow_infer_op: {second!r}}})
server.prepare_server(workdir="work_dir1", port=int(sys.argv[2]), device="cpu")
server.run_server()
"""
OF_0_9 = {"reader": "GeneralReaderOp", "infer": "GeneralInferOp", "response": "GeneralResponseOp"}
OF_0_6 = {"reader": "general_reader", "infer": "general_infer", "response": "general_response"}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders that have been measured, since the scripts do not say that nothing should be."""
    folder = tmp_path_factory.mktemp("tuned")
    made = models.uci(folder / "uci_housing_model"), models.uci(folder / "dearer", weights=2 * models.UCI_W)
    for path in made:
        Model.load(path, ModelOptions(), tune_s=2.0).close()
    return made


@pytest.mark.parametrize(("words", "name"), [(OF_0_9, "GeneralInferOp_0"), (OF_0_6, "general_infer_0")])
def test_a_sequence(tuned: tuple[Path, Path], tmp_path: Path, words: dict[str, str], name: str) -> None:
    folder, _ = tuned
    script = tmp_path / "test_server.py"
    script.write_text(SEQUENCE.format(folder=str(folder), **words))
    with serve(tmp_path, command=[str(script)]) as server:
        with Client() as client:
            client.load_client_config(str(folder))
            client.connect([f"127.0.0.1:{server.port}"])
            assert client.predict({"x": UCI_INPUT}, ["price"])["price"] == pytest.approx(UCI_PRICE, abs=1e-3)
        (service,) = HTTP.request("GET", f"{server.url}/services").json()["services"]
        assert [model["name"] for model in service["models"]] == [name]
        assert server.stop() == 0
        assert "the end" in server.log


def test_models_side_by_side_answer_under_their_names(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = tuned
    script = tmp_path / "test_server.py"
    script.write_text(ENSEMBLE.format(first=str(first), second=str(second)))
    other = float(2 * (UCI_INPUT @ models.UCI_W) + models.UCI_B[0])
    with serve(tmp_path, command=[str(script)]) as server:
        with Client() as client:
            client.load_client_config(str(first))
            client.connect([f"127.0.0.1:{server.port}"])
            said = client.predict({"x": UCI_INPUT}, ["price"])
        assert {name: float(outputs["price"][0, 0]) for name, outputs in said.items()} == {
            "cnn": pytest.approx(UCI_PRICE, abs=1e-3),
            "bow": pytest.approx(other, abs=1e-3),
        }
        body = json.dumps({"feed": [{"x": UCI_INPUT.tolist()}]})
        headers = {"Content-Type": "application/json"}
        result = HTTP.request("POST", f"{server.url}/uci_housing_model/prediction", body=body, headers=headers).json()[
            "result"
        ]
        assert result["bow"]["price"] == [[pytest.approx(other, abs=1e-3)]]


def test_an_op_is_its_text() -> None:
    maker = OpMaker()
    reader = maker.create("GeneralReaderOp")
    assert reader == 'name: "GeneralReaderOp_0"\ntype: "GeneralReaderOp"\n'
    assert 'dependencies {\n  name: "GeneralReaderOp_0"\n  mode: "RO"\n}' in maker.create(
        "GeneralInferOp", inputs=[reader]
    )
    assert 'name: "GeneralInferOp_1"' in maker.create("GeneralInferOp")
    with pytest.raises(BadConfig, match="no op 'GeneralDistKVOp'; there are GeneralDetectionOp, GeneralInferOp"):
        maker.create("GeneralDistKVOp")


def test_a_sequence_is_added_in_order() -> None:
    maker, order = OpMaker(), OpSeqMaker()
    reader, infer = maker.create("GeneralReaderOp"), maker.create("GeneralInferOp")
    order.add_op(reader)
    order.add_op(infer)
    with pytest.raises(BadConfig, match="The previous op is GeneralInferOp_0"):
        order.add_op(maker.create("GeneralResponseOp", inputs=[reader]))
    with pytest.raises(BadConfig, match="not an op as OpMaker.create returns it"):
        order.add_op("GeneralInferOp")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / SERVER_CONFIG).touch()  # nobody loads it here
    return str(tmp_path / "model")


def test_what_is_set_is_what_the_server_gets(folder: str, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.load_model_config([folder, folder])
    server.set_num_threads(7)
    server.set_max_body_size(1 << 30)
    server.set_reload_interval(3)
    server.set_precision("FP16")
    server.set_gpuid(["0", "-1"])
    server.set_batch_infer_size([8, 16])
    server.set_runtime_thread_num(2)
    server.set_request_cache_size(1000)
    server.set_enable_prometheus(True)
    server.set_prometheus_port(19000)
    server.prepare_server("workdir", 9999, "gpu")
    config = server.config()
    assert (config.port, config.threads, config.reload_interval_s, config.cache_bytes) == (9999, 7, 3.0, 1000)
    assert (config.limits.max_body_bytes, config.enable_prometheus, config.extra_ports) == (1 << 30, True, (19000,))
    nodes = config.models[0].nodes
    assert [(n.options.gpu_id, n.options.precision, n.max_rows, n.instances) for n in nodes] == [
        (0, "fp16", 8, 2),
        (None, "fp16", 16, 2),
    ]
    assert caplog.messages == []
    server.set_xpu()
    server.set_max_body_size(1)
    assert [message.partition(" has no effect")[0] for message in caplog.messages] == [
        "set_xpu",
        "set_max_body_size(1)",
    ]


def test_what_cannot_be_served_is_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="call load_model_config first"):
        Server().config()
    with pytest.raises(BadConfig, match="load_model_config: .*there is no such file or folder"):
        Server().load_model_config(str(tmp_path / "no"))
    with pytest.raises(BadConfig, match="Cube"):
        Server().prepare_server(cube_conf="cube.conf")
    server, maker, graph = Server(), OpMaker(), OpGraphMaker()
    graph.add_op(maker.create("GeneralInferOp"))
    server.set_op_graph(graph.get_op_graph())
    server.load_model_config([folder, folder])
    with pytest.raises(BadConfig, match="the ops with a model are GeneralInferOp_0; 2 model folders"):
        server.config()


def test_importing_the_package_does_not_import_the_builders() -> None:
    code = "import sys, paddle_serving_server; print('paddle_serving_server.commands.builders' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "False\n"


def test_serving_needs_the_main_thread(folder: str) -> None:
    server = Server()
    server.load_model_config(folder)
    with ThreadPoolExecutor(1) as threads, pytest.raises(BadConfig, match="run_server needs the main thread"):
        threads.submit(server.run_server).result()


def test_the_name_for_gpus_is_the_same_server() -> None:
    from paddle_serving_server.services.web_service import WebService
    from paddle_serving_server_gpu import OpMaker as OnGpu
    from paddle_serving_server_gpu.serve import main
    from paddle_serving_server_gpu.web_service import WebService as ServiceOnGpu

    assert (OnGpu, ServiceOnGpu) == (OpMaker, WebService)
    assert main(["stop", "--port", "1"]) == 2
