"""A call of GeneralModelService, whatever carried it: baidu_std, HTTP with protobuf, or HTTP with JSON."""

import time
from typing import Final

from paddle_serving_client.errors import NoMethod, NoService
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.general_model import ModelOutput, WireRequest, WireResponse, WireTensor
from paddle_serving_server.catalogue import Catalogue

FULL_SERVICE: Final = brpc.SERVICE
SERVICE: Final = FULL_SERVICE.rpartition(".")[2]
METHODS: Final = ("inference", "debug")
ENGINE_NAME: Final = "GeneralInferOp_0"
"""What Paddle Serving calls the one inference step of a chain."""


def check_names(service: str, method: str) -> None:
    """Refuse a service or method that is not this one.

    Raises:
        NoService, NoMethod: with the words that brpc uses.
    """
    if service not in (SERVICE, FULL_SERVICE):
        raise NoService(f"Fail to find service={service[:128]!r}")
    if method not in METHODS:
        raise NoMethod(f"Fail to find method={method[:128]!r}")


async def infer(catalogue: Catalogue, call: WireRequest, deadline: float) -> WireResponse:
    """Answer a call: the tensors go to the server's tensor service, its outputs come back under both names."""
    started = time.time_ns() // 1000
    service = catalogue.tensor_service
    response = await service.infer(call.as_request(deadline))
    names = {o.alias: o.name for o in service.signature.outputs}
    tensors = tuple(
        WireTensor(name=names[alias], alias=alias, array=array, lod=response.lods.get(alias, ()))
        for alias, array in response.tensors.items()
    )
    return WireResponse(
        outputs=(ModelOutput(tensors=tensors, engine_name=ENGINE_NAME),),
        profile_time=(started, time.time_ns() // 1000),
        log_id=call.log_id,
    )
