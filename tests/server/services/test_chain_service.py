"""Several models behind one name, over every protocol; models side by side; what cannot be a chain."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_client import Client
from tests import models
from tests.models import UCI_INPUT
from tests.server.graph.general_ops.pictures import bars, encoded
from tests.server.supervisor.test_runtime import command
from tests.serving import HTTP, Server, free_port, serve

JSON = {"Content-Type": "application/json"}
CHAIN_PRICE = float(models.uci_answer(models.houses_answer(models.uci_answer(UCI_INPUT[None])))[0, 0])


def folders_of(folder: Path) -> list[str]:
    made = models.uci(folder / "uci"), models.houses(folder / "houses"), models.uci(folder / "again")
    return [str(path) for path in made]


@pytest.fixture(scope="module")
def chain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """uci -> houses -> uci, named chain."""
    folder = tmp_path_factory.mktemp("chain")
    flags = ["--name", "chain", "--batch_infer_size", "4", "5", "6", "--runtime_thread_num", "2", "0", "1"]
    with serve(folder, "--model", *folders_of(folder), *flags) as server:
        yield server


def test_the_client_loads_the_first_config_and_the_last(chain_server: Server, tmp_path: Path) -> None:
    with Client() as client:
        client.load_client_config(folders_of(tmp_path))
        client.connect([f"127.0.0.1:{chain_server.port}"])
        said = client.predict({"x": UCI_INPUT}, ["price"])
        two = client.predict({"x": np.stack([UCI_INPUT] * 2)}, ["price"], batch=True)
    assert said["price"] == pytest.approx(CHAIN_PRICE, rel=1e-4)
    assert two["price"].ravel() == pytest.approx([CHAIN_PRICE] * 2, rel=1e-4)


def test_both_forms_of_json(chain_server: Server) -> None:
    body = json.dumps({"feed": [{"x": UCI_INPUT.tolist()}], "fetch": ["price"]})
    said = HTTP.request("POST", f"{chain_server.url}/chain/prediction", body=body, headers=JSON).json()
    assert said["result"]["price"] == [[pytest.approx(CHAIN_PRICE, rel=1e-4)]]
    tensor = {"name": "x", "elem_type": 1, "shape": [1, 13], "float_data": UCI_INPUT.tolist()}
    body = json.dumps({"tensor": [tensor], "fetch_var_names": ["price"]})
    said = HTTP.request("POST", f"{chain_server.url}/GeneralModelService/inference", body=body, headers=JSON).json()
    (output,) = said["outputs"]
    assert output["engine_name"] == "GeneralInferOp_2"
    assert output["tensor"][0]["float_data"] == [pytest.approx(CHAIN_PRICE, rel=1e-4)]


def test_each_model_is_shown_with_its_own_settings(chain_server: Server) -> None:
    (service,) = HTTP.request("GET", f"{chain_server.url}/services").json()["services"]
    assert (service["inputs"][0]["name"], service["outputs"][0]["name"]) == ("x", "price")
    assert service["kind"] == "numbers"
    shown = [(m["name"], Path(m["plan"]["folder"]).name, m["plan"]["takes_from"]) for m in service["models"]]
    assert shown == [
        ("GeneralInferOp_0", "uci", ""),
        ("GeneralInferOp_1", "houses", "GeneralInferOp_0"),
        ("GeneralInferOp_2", "again", "GeneralInferOp_1"),
    ]
    assert [m["plan"]["max_rows"] for m in service["models"]] == [4, 5, 6]
    assert len(chain_server.children("engine.worker")) == 4  # two of the first


def test_bad_input_is_refused_as_of_the_first_model(chain_server: Server) -> None:
    reply = HTTP.request("POST", f"{chain_server.url}/chain/prediction", body='{"feed":[{"p":1}]}', headers=JSON)
    assert (reply.status, reply.json()["err_msg"]) == (400, "feed[0] has no 'x'; this model takes 'x'")


def test_models_that_do_not_fit_are_refused_at_start(tmp_path: Path) -> None:
    folders = [str(models.uci(tmp_path / "uci")), str(models.lod(tmp_path / "lod"))]
    said = command("--model", *folders, "--port", str(free_port()), "--tune", "off", home=tmp_path)
    assert said.returncode == 2
    words = "GeneralInferOp_0 -> GeneralInferOp_1: output 'price' does not fit input 'words'"
    assert f"{words}; the outputs are price float32[1]; the inputs are words int64[" in said.stderr


def test_ops_are_chosen_with_flags(tmp_path: Path) -> None:
    """GeneralDetectionOp takes a picture as text, in every form."""
    folders = [str(models.text_detector(tmp_path / "det")), str(models.line_reader(tmp_path / "rec"))]
    text = encoded(bars((40, 200, 300, 24), (40, 40, 100, 24)))
    with serve(
        tmp_path, "--model", *folders, "--op", "GeneralDetectionOp", "GeneralInferOp", "--name", "ocr"
    ) as server:
        body = json.dumps({"feed": [{"x": text.decode()}]})
        said = HTTP.request("POST", f"{server.url}/ocr/prediction", body=body, headers=JSON).json()["result"]["bright"]
        assert len(said) == 2 and 2 * said[0][0] < said[1][0]
        two = json.dumps({"feed": [{"x": text.decode()}] * 2})
        reply = HTTP.request("POST", f"{server.url}/ocr/prediction", body=two, headers=JSON)
        assert (reply.status, "one at a time" in reply.json()["err_msg"]) == (400, True)
        config = tmp_path / "det" / "serving_client_conf.prototxt"
        config.write_text(config.read_text().replace("feed_type: 1", "feed_type: 20").replace("shape: 3", "shape: 1"))
        with Client() as client:
            client.load_client_config(folders)
            client.connect([f"127.0.0.1:{server.port}"])
            got = client.predict(feed={"x": text}, fetch=[], batch=True)
            assert got["bright"] == pytest.approx(np.array(said))
            nothing = client.predict(feed={"x": base64.b64encode(base64.b64decode(encoded(bars())))}, fetch=[])
            assert nothing["bright"].shape == (0, 1)
