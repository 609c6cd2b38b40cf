"""Answers recorded from a real Triton; README.md says which."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODEL = "/v2/models/simple"
"""The path of the model that was asked."""
REPOSITORY = MODEL.replace("/models", "/repository/models")
"""Where it is loaded and unloaded."""


@dataclass(frozen=True)
class Case:
    """One request over HTTP, and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer_headers: dict[str, str]
    answer: bytes


def http(file: str = "http") -> dict[str, Case]:
    """All requests over HTTP of one recording, by name, in their order."""
    said = json.loads((HERE / f"{file}.json").read_text(encoding="utf-8"))
    return {name: _case(case) for name, case in said.items()}


def grpc() -> dict[str, bytes]:
    """Messages of answers over gRPC, by name."""
    return {name: bytes.fromhex(text) for name, text in json.loads((HERE / "grpc.json").read_text()).items()}


def streams() -> dict[str, list[dict[str, Any]]]:
    """What `ModelStreamInfer` answered, by the name of the stream; tensors in base64."""
    found: dict[str, list[dict[str, Any]]] = json.loads((HERE / "streams.json").read_text(encoding="utf-8"))
    return found


def _case(said: dict[str, Any]) -> Case:
    answer = said["text"].encode() if "text" in said else base64.b64decode(said["b64"])
    body, headers = base64.b64decode(said["body"]), said["answer_headers"]
    return Case(
        said["method"],
        said["path"].replace("{model}", MODEL).replace("{repository}", REPOSITORY),
        said["headers"],
        body,
        said["status"],
        headers,
        answer,
    )
