"""A prediction by TorchServe's protocols, whatever carried it: asked, counted by its names, and as bytes."""

import json
import math
from typing import Final

from paddle_serving_client.message import Request, Response
from paddle_serving_server.dataplane import torchserve_counts as counts
from paddle_serving_server.dataplane import torchserve_models
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane

TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"
JSON: Final = "application/json"


async def infer(plane: DataPlane, call: Call, asked: Request) -> Response:
    """Have a model answer; see `DataPlane.infer`."""
    counts.asked(plane.catalogue, asked.model, asked.version)
    response = await plane.infer(call, asked)
    counts.answered(plane.catalogue, asked.model, asked.version, call, response.stages)
    return response


def give_time(plane: DataPlane, call: Call, name: str, version: str) -> None:
    """Give a call the time that its model has, where that is more than that of the server.

    Raises:
        Refused: the model has no worker, or is not there.
    """
    own_s = torchserve_models.timeout_s(plane.catalogue, name, version)
    if call.timeout_s == math.inf:
        call.deadline = max(call.deadline, call.arrived + own_s)


def as_bytes(response: Response) -> tuple[bytes, str]:
    """A result as it travels, and its content type: text and bytes as they are, everything else as JSON."""
    value = response.result
    if isinstance(value, str):
        return value.encode(), TEXT
    if isinstance(value, bytes):
        return value, BYTES
    return json.dumps(value, indent=2, ensure_ascii=False).encode(), JSON
