"""A server by TensorFlow Serving's command line: versions, labels, a file of models that changes, and other models.

One server for everything that can be seen on one: its start is the slow part.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc as grpcio
import numpy as np
import pytest

from paddle_serving_client.wire import tfserving_proto
from paddle_serving_client.wire.proto import tfserving_config_pb2 as pb
from paddle_serving_client.wire.protobuf import bytes_field
from paddle_serving_client.wire.tfserving import Wanted
from paddle_serving_client.wire.tfserving_proto import PredictRequest
from tests import models, saved_models, tfserving_messages
from tests.server.versions import set_bias, wait_for
from tests.serving import HTTP, ROOT, Server, free_port, serve

MODULE = ("-m", "paddle_serving_server.tensorflow_model_server")
ZEROS = {"instances": [[0.0] * 13]}
TUNED = ("--tune", "off")


def config(folder: Path, *entries: str) -> None:
    """Write the file of models, whole or not at all."""
    beside = folder / "models.config.new"
    beside.write_text("model_config_list {{ {} }}".format(" ".join(f"config {{ {entry} }}" for entry in entries)))
    os.replace(beside, folder / "models.config")


def priced(folder: Path, number: str, bias: float) -> None:
    """A version of the model of house prices."""
    set_bias(models.uci(folder / f".{number}", "onnx"), bias)
    os.replace(folder / f".{number}", folder / number)


class Running:
    """A server, and both of its ports."""

    def __init__(self, server: Server, rest: int, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.rest = f"http://127.0.0.1:{rest}/v1/models"
        self.channel = grpcio.insecure_channel(f"127.0.0.1:{server.port}")

    def get(self, path: str) -> Any:
        reply = HTTP.request("GET", f"{self.rest}/{path}")
        return json.loads(reply.data)

    def states(self, name: str) -> dict[str, str]:
        """By version."""
        return {one["version"]: one["state"] for one in self.get(name).get("model_version_status", [])}

    def predict(self, path: str, body: object = None) -> tuple[int, Any]:
        reply = HTTP.request("POST", f"{self.rest}/{path}:predict", body=json.dumps(body or ZEROS).encode())
        said = json.loads(reply.data)
        return reply.status, said.get("predictions", said.get("error"))

    def price(self, path: str) -> float:
        status, found = self.predict(path)
        assert status == 200, found
        return float(found[0][0])

    def call(self, method: str, message: bytes) -> bytes:
        found: bytes = self.channel.unary_unary(f"/tensorflow.serving.{method}")(message, timeout=60)
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tfserving")
    (folder / "prices").mkdir()
    for number, bias in (("1", 1.0), ("2", 2.0)):
        priced(folder / "prices", number, bias)
    saved_models.weighted(folder / "sums" / "00000007")
    config(folder, *ENTRIES)
    rest = free_port()
    flags = [f"--rest_api_port={rest}", f"--model_config_file={folder / 'models.config'}", f"--map=/models={folder}"]
    polls = ["--model_config_file_poll_wait_seconds=0.1", "--file_system_poll_wait_seconds=0.1"]
    with serve(folder, *flags, *polls, *TUNED, command=MODULE) as server:
        found = Running(server, rest, folder)
        yield found
        found.channel.close()


ENTRIES = (
    'name: "prices" base_path: "/models/prices" model_platform: "tensorflow" model_version_policy { all {} }'
    ' version_labels { key: "old" value: 1 }',
    'name: "sums" base_path: "/models/sums"',
)


def test_versions_and_labels(running: Running) -> None:
    assert running.states("prices") == {"2": "AVAILABLE", "1": "AVAILABLE"}
    prices = [running.price(path) for path in ("prices", "prices/versions/2", "prices/versions/1", "prices/labels/old")]
    np.testing.assert_allclose(prices, [2, 2, 1, 1], atol=1e-5)
    assert running.get("prices/labels/old")["model_version_status"][0]["version"] == "1"
    assert running.get("prices/labels/old/metadata")["model_spec"]["version"] == "1"
    assert running.predict("prices/versions/3") == (
        404,
        "Servable not found for request: Specific(prices, 3); there is version 2, version 1",
    )
    status, text = running.predict("prices/labels/new")
    assert (status, "Unrecognized servable version label: new" in text) == (400, True)
    assert "Could not find version 3 of model prices" in running.get("prices/versions/3")["error"]


def test_a_saved_model_in_a_folder_with_zeros_before_its_number(running: Running) -> None:
    assert running.states("sums") == {"7": "AVAILABLE"}
    status, sums = running.predict("sums", {"instances": [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]})
    assert (status, np.ravel(sums).tolist()) == (200, [6.0, 1.0])
    signature = running.get("sums/metadata")["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert (list(signature["inputs"]), list(signature["outputs"])) == (["x"], ["sum"])


def test_versions_and_labels_over_grpc(running: Running) -> None:
    inputs = {"x": np.zeros((1, 13), np.float32)}
    for wanted, price in ((Wanted(name="prices", version=1), 1.0), (Wanted(name="prices", label="old"), 1.0)):
        message = tfserving_messages.encode_predict(PredictRequest(wanted=wanted, inputs=inputs))
        answer = tfserving_messages.decode_prediction(running.call("PredictionService/Predict", message))
        np.testing.assert_allclose(answer["price"], [[price]], atol=1e-5)
    spec = b"".join(bytes_field(1, tfserving_proto.spec_of(Wanted(name="prices"))))
    states = running.call("ModelService/GetModelStatus", spec)
    assert states.count(bytes([16, 30])) == 2  # AVAILABLE


def test_a_version_that_comes_and_goes(running: Running) -> None:
    priced(running.folder / "prices", "3", 3.0)
    wait_for(lambda: running.states("prices") == {"3": "AVAILABLE", "2": "AVAILABLE", "1": "AVAILABLE"}, 60)
    np.testing.assert_allclose(running.price("prices"), 3, atol=1e-5)
    shutil.rmtree(running.folder / "prices" / "3")
    wait_for(lambda: "3" not in running.states("prices"), 60)
    np.testing.assert_allclose(running.price("prices"), 2, atol=1e-5)


def test_a_file_of_models_that_changes(running: Running) -> None:
    (running.folder / "models.config").write_text("model_config_list {")
    wait_for(lambda: "the models stay as they are" in running.server.log)
    assert running.states("sums") == {"7": "AVAILABLE"}
    config(
        running.folder,
        ENTRIES[0],
        'name: "more" base_path: "/models/prices" model_version_policy { specific { versions: 1 } }',
    )
    wait_for(lambda: running.states("more") == {"1": "AVAILABLE"} and not running.states("sums"), 60)
    np.testing.assert_allclose(running.price("more"), 1, atol=1e-5)
    assert running.predict("sums")[0] == 404
    config(running.folder, *ENTRIES)
    wait_for(lambda: running.states("sums") == {"7": "AVAILABLE"} and not running.states("more"), 60)


def test_other_models_by_a_call(running: Running) -> None:
    def reload(*entries: pb.ModelConfig) -> bytes:
        config = pb.ModelServerConfig(model_config_list=pb.ModelConfigList(config=entries)).SerializeToString()
        return running.call("ModelService/HandleReloadConfigRequest", b"".join(bytes_field(1, config)))

    prices = pb.ModelConfig(name="prices", base_path=str(running.folder / "prices"))
    assert b"there is no such file or folder" in reload(pb.ModelConfig(name="none", base_path="/nowhere"))
    assert running.states("prices") == {"2": "AVAILABLE", "1": "AVAILABLE"}
    assert reload(prices) == bytes([10, 0])
    assert running.states("prices") == {"2": "AVAILABLE"}
    assert running.predict("sums")[0] == 404


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model_name=m"], "--model_base_path, or --model_config_file, says where the models are"),
        (["--model_base_path=/nowhere"], "model 'model': base_path /nowhere: there is no such file or folder"),
        (["--model_base_path=s3://b/m"], "is elsewhere"),
        (["--model_base_path=/m", "--manage_from=0.0.0.0/0"], "--manage_token_file FILE says what they have to send"),
        (["--model_base_path=/m", "--port=0", "--rest_api_port=0"], "nobody could ask"),
    ],
)
def test_a_command_line_that_cannot_be_served(flags: list[str], words: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MODEL_")}
    done = subprocess.run([sys.executable, *MODULE, *flags], capture_output=True, cwd=ROOT, env=environment, text=True)
    assert done.returncode != 0
    assert words in done.stderr
