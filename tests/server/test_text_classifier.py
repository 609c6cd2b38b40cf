"""A text classifier end to end: the repository that convert/text_classifier.py wrote, and a folder by itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc as grpcio
import pytest

from paddle_serving_client.wire.protobuf import bytes_field
from tests.serving import HTTP, Server, free_port, serve
from tests.text_classifiers import FOLDER, LABELS

pytest.importorskip("tokenizers", reason="it is the native tokenizer")

from paddle_serving_app.text import repository

MODULE = ("-m", "paddle_serving_server.tritonserver")
CURL = {"Content-Type": "application/x-www-form-urlencoded"}
ASKED = '{"inputs":[{"name":"text_input","shape":[1,1],"datatype":"BYTES","data":["помогите мне"]}]}'


class Triton:
    """A server with the ensemble, and a channel to it."""

    def __init__(self, server: Server, channel: grpcio.Channel) -> None:
        self.server, self.channel = server, channel

    def infer(self, body: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        url = f"{self.server.url}/v2/models/ensemble_model/infer"
        reply = HTTP.request("POST", url, body=body.encode(), headers=headers)
        found = json.loads(reply.data)
        return reply.status, {o["name"]: o["data"] for o in found["outputs"]} if reply.status == 200 else found


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    folder = tmp_path_factory.mktemp("triton")
    repository.write(repository.Parts(model=FOLDER, tokenizer=FOLDER, labels=FOLDER), folder / "models")
    grpc, metrics = free_port(), free_port()
    flags = [f"--model-repository={folder / 'models'}", f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
    with (
        serve(folder, *flags, "--tune=off", command=MODULE, port_flag="--http-port") as server,
        grpcio.insecure_channel(f"127.0.0.1:{grpc}") as channel,
    ):
        yield Triton(server, channel)


def test_the_curl_of_people_who_come_from_triton(triton: Triton) -> None:
    status, found = triton.infer(ASKED, CURL)
    assert status == 200, found
    assert found["labels"][0] == "помощь"
    assert sorted(found["labels"]) == sorted(LABELS)
    assert found["scores"][0] > 0.9
    assert sum(found["scores"]) == pytest.approx(1, abs=1e-5)


def test_several_texts_of_different_lengths(triton: Triton) -> None:
    texts = ["спасибо за заказ", "верните деньги за билет " * 30, ""]
    tensor = {"name": "text_input", "shape": [3, 1], "datatype": "BYTES", "data": texts}
    status, found = triton.infer(json.dumps({"inputs": [tensor]}))
    assert status == 200, found
    assert [found["labels"][0], found["labels"][4]] == ["благодарность", "оплата"]


def test_the_ensemble_over_grpc(triton: Triton) -> None:
    text = "помогите мне".encode()
    fields = [(1, b"text_input"), (2, b"BYTES"), (3, b"\x01\x01")]
    tensor = b"".join(part for number, value in fields for part in bytes_field(number, value))
    raw = len(text).to_bytes(4, "little") + text
    message = [(1, b"ensemble_model"), (5, tensor), (7, raw)]
    asked = b"".join(part for number, value in message for part in bytes_field(number, value))
    answer: bytes = triton.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(asked, timeout=60)
    label = "помощь".encode()
    assert len(label).to_bytes(4, "little") + label in answer


def test_a_text_that_is_not_utf8_is_refused(triton: Triton) -> None:
    tensor = {"name": "text_input", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}
    head = json.dumps({"inputs": [tensor]}).encode()
    reply = HTTP.request(
        "POST",
        f"{triton.server.url}/v2/models/ensemble_model/infer",
        body=head + b"\x01\x00\x00\x00\xff",
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert reply.status >= 400
    assert b"not UTF-8" in reply.data


def test_a_folder_of_transformers_is_a_service_by_itself(tmp_path: Path) -> None:
    with serve(tmp_path, f"helpdesk={FOLDER}") as server:
        feed = [{"text": "помогите мне"}, {"text": "спасибо за заказ"}]
        reply = HTTP.request("POST", f"{server.url}/helpdesk/prediction", json={"feed": feed})
        result = json.loads(reply.data)["result"]
        assert [labels[0] for labels in result["labels"]] == ["помощь", "благодарность"]
        assert all(scores == sorted(scores, reverse=True) for scores in result["scores"])
        asked = ASKED.replace("text_input", "text").encode()
        about = HTTP.request("GET", f"{server.url}/v2/models/helpdesk").json()
        assert [output["shape"] for output in about["outputs"]] == [[-1, len(LABELS)]] * 2
        reply = HTTP.request("POST", f"{server.url}/v2/models/helpdesk/infer", body=asked, headers=CURL)
        assert json.loads(reply.data)["outputs"][0]["data"][0] == "помощь"
        reply = HTTP.request("POST", f"{server.url}/helpdesk/prediction", json={"feed": [{"text": 7}]})
        assert reply.status == 400
