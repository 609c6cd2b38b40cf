"""A call of GeneralModelService, whatever carried it: baidu_std, HTTP with protobuf, or HTTP with JSON."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import NoMethod, NoService
from paddle_serving_client.message import Response, Stage
from paddle_serving_client.wire import brpc, general_model, general_model_06
from paddle_serving_client.wire.general_model import ModelOutput, WireRequest, WireResponse, WireTensor
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane

FULL_SERVICE: Final = brpc.SERVICE
SERVICE: Final = FULL_SERVICE.rpartition(".")[2]
METHODS: Final = ("inference", "debug")
CALLS: Final = frozenset((service, method) for service in (SERVICE, FULL_SERVICE) for method in METHODS)
"""Names of a service and a method that are answered."""


def check_names(service: str, method: str) -> str:
    """Refuse a service or method that is not this one.

    Returns:
        The name of the served service that the caller means, as in `GeneralModelService/uci`; empty: he names none.

    Raises:
        NoService, NoMethod: with the words that brpc uses.
    """
    of, slash, name = service.partition("/")
    if of not in (SERVICE, FULL_SERVICE) or (slash and not name):
        raise NoService(f"Fail to find service={service[:128]!r}")
    if method not in METHODS:
        raise NoMethod(f"Fail to find method={method[:128]!r}")
    return name


async def answer(
    plane: DataPlane,
    call: Call,
    message: bytes | bytearray | memoryview,
    variant: tuple[str, str] = ("", ""),
    name: str = "",
) -> bytes:
    """Answer a call that came as protobuf, one of 0.6 in the form of 0.6; see `infer`.

    Raises:
        ServingError: the message cannot be read, or not be answered.
    """
    call.service = plane.catalogue.tensor_service_of(name)
    await plane.catalogue.start.over(call.deadline)
    if general_model_06.claims(message):
        request = general_model_06.decode_request(message)
        wire = request.as_wire(plane.catalogue[call.service].signature.inputs)
        return general_model_06.encode_response(await infer(plane, call, wire, variant, name), request)
    wire = general_model.decode_request(message)
    return general_model.encode_response(await infer(plane, call, wire, variant, name))


async def infer(
    plane: DataPlane, call: Call, wire: WireRequest, variant: tuple[str, str] = ("", ""), name: str = ""
) -> WireResponse:
    """Answer a call: the tensors go to the service that is named, its outputs come back under both names.

    Args:
        plane: of this front.
        call: is counted as one of that service.
        wire: its message.
        variant: the one that is asked for, and the key that settles it where none is.
        name: of the service; empty: the server's tensor service.
    """
    await plane.catalogue.start.over(call.deadline)
    call.service = plane.catalogue.tensor_service_of(name)
    started, began = time.time_ns() // 1000, time.monotonic()
    tag, key = variant
    request = replace(wire.as_request(call.deadline), model=call.service, variant=tag, variant_key=key)
    answered = await plane.infer_ends(call, request)
    outputs = tuple(_output(name, signature, response) for name, (signature, response) in answered.items())
    steps = _steps(call.stages, started, began) if wire.profile_server else ()
    spans = (*steps, started, time.time_ns() // 1000)
    return WireResponse(outputs=outputs, profile_time=spans, log_id=wire.log_id)


def _steps(stages: Sequence[Stage], started: int, began: float) -> tuple[int, ...]:
    """A pair for each op, as the chain of Paddle Serving had them: before the model, each model, after it.

    Args:
        stages: of the request.
        started: when it began, in microseconds since 1970.
        began: the same on the clock of `time.monotonic`.
    """
    runs = [(stage.began, stage.ended) for stage in stages if stage.name == "infer"]
    first = min((run[0] for run in runs), default=time.monotonic())
    last = max((run[1] for run in runs), default=first)
    pairs = ((began, first), *runs, (last, time.monotonic()))
    return tuple(started + int((moment - began) * 1e6) for pair in pairs for moment in pair)


def _output(engine_name: str, signature: Signature, response: Response) -> ModelOutput:
    names = {o.alias: o.name for o in signature.outputs}
    tensors = tuple(
        WireTensor(name=names[alias], alias=alias, array=array, lod=response.lods.get(alias, ()))
        for alias, array in response.tensors.items()
    )
    return ModelOutput(tensors=tensors, engine_name=engine_name)
