"""Calls of Triton's `generate`: one JSON object in, and one out, or one for each part of the answer."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Parts, Request, Response
from paddle_serving_client.wire import kserve_generate
from paddle_serving_client.wire.kserve import InferOutput, InferRequest, InferResponse
from paddle_serving_server.dataplane import kserve_calls, kserve_models, kserve_parts
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.services.service import Service


@dataclass(frozen=True, slots=True)
class Generated:
    """What a service answers."""

    whole: bytes
    """All of it as JSON, where it does not come in parts."""
    parts: Parts | None
    write: Callable[[Response], bytes]
    """Makes JSON of a part."""


def read(service: Service, body: bytes | memoryview, deadline: float) -> tuple[InferRequest, Request]:
    """The request of a caller, and as its service takes it.

    Raises:
        ServingError: something is wrong with it.
    """
    got = kserve_generate.loads(body)
    if not service.takes_tensors:
        members: dict[str, Any] = kserve_generate.members(got)
        asked = Request(model=service.name, instances=[members], deadline=deadline, body_bytes=len(body))
        return InferRequest(id=kserve_generate.id_of(got)), asked
    about = kserve_models.about(service)
    request = kserve_generate.request_of(got, about.inputs, about.max_batch_size > 0)
    return request, kserve_calls.asked(service, request, deadline)


async def begin(plane: DataPlane, call: Call, service: Service, request: InferRequest, asked: Request) -> Generated:
    """Have a service answer.

    Raises:
        ServingError: whatever is wrong.
    """
    common = InferResponse(model=service.name, version=service.version, id=request.id)

    def write(part: Response) -> bytes:
        outputs = kserve_parts.outputs(part, ())
        return kserve_generate.encode(replace(common, outputs=tuple(map(_in_json, outputs))))

    response = await plane.infer(call, asked)
    if response.parts is not None:
        return Generated(b"", response.parts, write)
    if not service.takes_tensors:
        return Generated(write(response), None, write)
    return Generated(kserve_generate.encode(kserve_calls.answered(service, request, response)), None, write)


async def only(plane: DataPlane, call: Call, generated: Generated) -> bytes:
    """The one answer of a service.

    Raises:
        BadInput: there is another number of them. Otherwise as `DataPlane.parts`.
    """
    if generated.parts is None:
        return generated.whole
    async with contextlib.aclosing(generated.parts) as parts:
        found = [generated.write(part) async for part in _first(parts, 2)]
    if len(found) != 1:
        raise BadInput(
            "generate expects model to produce exactly 1 response, use generate stream for model that generates "
            "various number of responses"
        )
    return found[0]


async def _first(parts: Parts, most: int) -> Any:
    count = 0
    async for part in parts:
        yield part
        count += 1
        if count == most:
            return


def _in_json(output: InferOutput) -> InferOutput:
    return replace(output, is_binary=False)
