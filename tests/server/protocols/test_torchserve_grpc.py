"""TorchServe's gRPC, asked by grpcio with messages of a pool of its own, as a client that was generated would ask."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from paddle_serving_client import wire
from tests import torchserves
from tests.torchserves import TorchServe, archive

INFERENCE = "org.pytorch.serve.grpc.inference"
MANAGEMENT = "org.pytorch.serve.grpc.management"
HANDLER = """
import json

from ts.handler_utils.utils import send_intermediate_predict_response


def handle(data, context):
    if data is None:
        return None
    if data[0].get("data") == b"parts":
        for k in range(2):
            send_intermediate_predict_response(
                [f"part {k} " for _ in data], context.request_ids, "Intermediate", 200, context
            )
        return ["the end" for _ in data]
    if data[0].get("data") == b"bad":
        raise ValueError("bad")
    sequence = context.get_request_header(0, "ts_request_sequence_id")
    return [{"inputs": {name: bytes(value).decode() for name, value in row.items()}, "of": sequence} for row in data]
"""


class Messages:
    """The messages of TorchServe's services, and calls with them."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        described = (Path(wire.__file__).parent / "proto" / "services.binpb").read_bytes()
        for file in descriptor_pb2.FileDescriptorSet.FromString(described).file:
            self._pool.Add(file)

    def new(self, package: str, name: str, **fields: Any) -> Any:
        """A message."""
        found = self._pool.FindMessageTypeByName(f"{package}.{name}")
        return message_factory.GetMessageClass(found)(**fields)

    def method(self, channel: grpc.Channel, service: str, name: str) -> Any:
        """A method of a service on a channel."""
        found = self._pool.FindServiceByName(service).FindMethodByName(name)
        answer = message_factory.GetMessageClass(found.output_type)
        kind = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, True): channel.stream_stream,
        }[found.client_streaming, found.server_streaming]
        return kind(f"/{service}/{name}", lambda message: message.SerializeToString(), answer.FromString)


MESSAGES = Messages()


class Client:
    """Asks a server."""

    def __init__(self, server: TorchServe, token: str = "") -> None:
        self._channels = {
            package: grpc.insecure_channel(f"127.0.0.1:{server.ports[at]}")
            for package, at in ((INFERENCE, "grpc_inf"), (MANAGEMENT, "grpc_mgmt"))
        }
        self._metadata = [("authorization", f"Bearer {token}")] if token else []

    def infer(self, name: str, asked: Any) -> Any:
        """A method of inference, or of the other service on its port."""
        found = MESSAGES.method(self._channels[INFERENCE], f"{INFERENCE}.InferenceAPIsService", name)
        return found(asked, timeout=20, metadata=self._metadata)

    def predict(self, model: str, version: str = "", **inputs: bytes) -> str:
        """A prediction."""
        asked = MESSAGES.new(INFERENCE, "PredictionsRequest", model_name=model, model_version=version, input=inputs)
        return str(self.infer("Predictions", asked).prediction, "utf-8")

    def manage(self, name: str, **fields: Any) -> str:
        """A method of management: its text."""
        found = MESSAGES.method(self._channels[MANAGEMENT], f"{MANAGEMENT}.ManagementAPIsService", name)
        return str(found(MESSAGES.new(MANAGEMENT, f"{name}Request", **fields), timeout=20, metadata=self._metadata).msg)

    def refused(self, call: Any) -> tuple[grpc.StatusCode, str]:
        """The status and the text of a call that is refused."""
        with pytest.raises(grpc.RpcError) as caught:
            call()
        return caught.value.code(), caught.value.details()

    def close(self) -> None:
        """Let go of the server."""
        for channel in self._channels.values():
            channel.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("grpc") / "store"
    store.mkdir()
    archive(store, "echo", HANDLER)
    archive(store, "echo", HANDLER, "2.0", "echo2.mar")
    return store


@pytest.fixture(scope="module")
def client(store: Path) -> Iterator[Client]:
    settings = {"enable_model_api": "true"}
    with torchserves.serve(store.parent, store, settings, "--ncs", "--models", "echo.mar") as server:
        found = Client(server)
        yield found
        found.close()


def request(model: str = "echo", sequence: str = "", **inputs: bytes) -> Any:
    more = {"sequence_id": sequence} if sequence else {}
    return MESSAGES.new(INFERENCE, "PredictionsRequest", model_name=model, input=inputs, **more)


def test_predictions(client: Client) -> None:
    health = client.infer("Ping", MESSAGES.new("google.protobuf", "Empty")).health
    assert json.loads(health) == {"status": "Healthy"}
    assert json.loads(client.predict("echo", data=b"x", more=b"y")) == {
        "inputs": {"data": "x", "more": "y"},
        "of": None,
    }
    assert json.loads(client.predict("echo", "1.0", body=b"z"))["inputs"] == {"body": "z"}
    assert client.predict("echo", data=b"parts") == "part 0 part 1 the end"


def test_what_is_refused(client: Client) -> None:
    code, text = client.refused(lambda: client.predict("nope"))
    assert (code, text.splitlines()[0]) == (grpc.StatusCode.NOT_FOUND, "Model not found: nope")
    assert text.endswith("ModelNotFoundException")
    code, text = client.refused(lambda: client.predict("echo", "9.9", data=b"x"))
    assert text.startswith("Model version: 9.9 does not exist for model: echo\n")
    code, text = client.refused(lambda: client.predict("echo", data=b"bad"))
    assert (code, text.splitlines()[0]) == (grpc.StatusCode.UNAVAILABLE, "Prediction failed")
    assert text.endswith("org.pytorch.serve.http.InternalServerException")
    code, text = client.refused(lambda: client.predict(""))
    assert (code, text.splitlines()[0]) == (grpc.StatusCode.INVALID_ARGUMENT, "Parameter model_name is required.")


def test_answers_in_parts(client: Client) -> None:
    found = [bytes(part.prediction) for part in client.infer("StreamPredictions", request(data=b"parts"))]
    assert found == [b"part 0 ", b"part 1 ", b"the end"]
    (alone,) = client.infer("StreamPredictions", request(data=b"x"))
    assert json.loads(alone.prediction)["inputs"] == {"data": "x"}
    code, text = client.refused(lambda: list(client.infer("StreamPredictions", request("nope"))))
    assert (code, text.splitlines()[0]) == (grpc.StatusCode.NOT_FOUND, "Model not found: nope")


def test_a_sequence_each_way(client: Client) -> None:
    asked = [
        request(ts_request_sequence_start=b"true", data=b"1"),
        request(sequence="s", data=b"bad"),
        request(sequence="s", data=b"2"),
        request(data=b"3"),
    ]
    first, bad, second, none = client.infer("StreamPredictions2", iter(asked))
    assert first.sequence_id.startswith("ts-seq-")
    assert json.loads(first.prediction)["of"] == first.sequence_id
    assert (bad.status.code, bad.status.message) == (grpc.StatusCode.UNAVAILABLE.value[0], "Prediction failed")
    assert json.loads(second.prediction) == {"inputs": {"data": "2"}, "of": "s"}
    assert none.status.message == "Parameter sequenceId is required."


def test_management(client: Client) -> None:
    (described,) = json.loads(client.manage("DescribeModel", model_name="echo"))
    assert (described["modelVersion"], len(described["workers"])) == ("1.0", 1)
    url = "echo2.mar"
    text = client.manage("RegisterModel", url=url, batch_size=2, max_batch_delay=5, initial_workers=1)
    assert text == 'Model "echo" Version: 2.0 registered with 1 initial workers'
    versions = json.loads(client.manage("DescribeModel", model_name="echo", model_version="all", customized=True))
    assert [one["batchSize"] for one in versions] == [1, 2]
    assert "customizedMetadata" in versions[0]
    assert json.loads(client.manage("ListModels", limit=1)) == {
        "models": [{"modelName": "echo", "modelUrl": "echo.mar"}]
    }
    text = client.manage("ScaleWorker", model_name="echo", model_version="2.0", min_worker=2, synchronous=True)
    assert text == "Workers scaled to 2 for model: echo, version: 2.0"
    assert client.manage("ScaleWorker", model_name="echo", min_worker=1) == "Processing worker updates..."
    code, text = client.refused(lambda: client.manage("UnregisterModel", model_name="echo"))
    assert (code, text.splitlines()[0]) == (
        grpc.StatusCode.PERMISSION_DENIED, "Cannot remove default version for model echo",
    )  # fmt: skip
    text = client.manage("SetDefault", model_name="echo", model_version="2.0")
    assert text == 'Default version successfully updated for model "echo" to "2.0"'
    assert client.manage("UnregisterModel", model_name="echo", model_version="1.0") == 'Model "echo" unregistered'
    code, text = client.refused(lambda: client.manage("RegisterModel", url=url))
    assert (code, text.splitlines()[0]) == (
        grpc.StatusCode.ABORTED, "Model version 2.0 is already registered for model echo",
    )  # fmt: skip
    assert client.refused(lambda: client.manage("DescribeModel", model_name="nope"))[0] is grpc.StatusCode.NOT_FOUND
    assert client.refused(lambda: client.manage("RegisterModel"))[0] is grpc.StatusCode.INVALID_ARGUMENT
    too_many = {"model_name": "echo", "min_worker": 3, "max_worker": 1}
    assert client.refused(lambda: client.manage("ScaleWorker", **too_many))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_each_service_at_its_own_port(client: Client) -> None:
    channels = client._channels
    client._channels = {INFERENCE: channels[MANAGEMENT], MANAGEMENT: channels[INFERENCE]}
    try:
        for call in (lambda: client.predict("echo"), lambda: client.manage("ListModels")):
            assert client.refused(call)[0] is grpc.StatusCode.UNIMPLEMENTED
    finally:
        client._channels = channels


def test_tokens(store: Path, tmp_path: Path) -> None:
    with torchserves.serve(tmp_path, store, {}, "--ncs", "--models", "echo.mar", tokens=True) as server:
        keys = json.loads((tmp_path / "key_file.json").read_text())
        clients = {kind: Client(server, keys[kind]["key"]) for kind in ("inference", "management")}
        denied = grpc.StatusCode.PERMISSION_DENIED
        code, text = clients["management"].refused(lambda: clients["management"].predict("echo", data=b"x"))
        assert (code, text.startswith("Token Authorization failed.")) == (denied, True)
        assert json.loads(clients["inference"].predict("echo", data=b"x"))["inputs"] == {"data": "x"}
        code, text = clients["inference"].refused(lambda: clients["inference"].manage("ListModels"))
        assert (code, text.startswith("Token Authorization failed.")) == (denied, True)
        assert json.loads(clients["management"].manage("ListModels"))["models"]
        code, text = clients["management"].refused(lambda: clients["management"].manage("RegisterModel", url="x"))
        assert (code, "--enable-model-api" in text) == (denied, True)
        for one in clients.values():
            one.close()
