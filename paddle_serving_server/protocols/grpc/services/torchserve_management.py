"""org.pytorch.serve.grpc.management.ManagementAPIsService: TorchServe's management of models over gRPC."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_client.wire import torchserve_proto as proto
from paddle_serving_client.wire.torchserve_proto import Asked
from paddle_serving_server.dataplane import torchserve_about, torchserve_models
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.torchserve_models import Change, Registration
from paddle_serving_server.dataplane.torchserve_refused import Refused
from paddle_serving_server.protocols.grpc import torchserve_words as words
from paddle_serving_server.protocols.grpc.services import Message, Method
from paddle_serving_server.services.catalogue import Catalogue

_PAGE: Final = 100


async def _describe(catalogue: Catalogue, asked: Asked) -> str:
    name, version = asked.text("model_name"), asked.text("model_version")
    return words.pretty(torchserve_about.described(catalogue, name, version, bool(asked.number("customized"))))


async def _list(catalogue: Catalogue, asked: Asked) -> str:
    begin, limit = max(0, asked.number("next_page_token")), asked.number("limit")
    return words.pretty(torchserve_about.page(catalogue, begin, limit if limit > 0 else _PAGE))


async def _register(catalogue: Catalogue, asked: Asked) -> str:
    settings = ModelSettings(
        min_workers=_over_0(asked, "initial_workers", torchserve_models.MOST_WORKERS),
        batch_size=_over_0(asked, "batch_size", torchserve_models.MOST_ROWS),
        max_batch_delay_ms=_over_0(asked, "max_batch_delay", torchserve_models.LONGEST_DELAY_MS),
        response_timeout_s=_over_0(asked, "response_timeout", torchserve_models.LONGEST_TIMEOUT_S),
        startup_timeout_s=_over_0(asked, "startup_timeout", torchserve_models.LONGEST_TIMEOUT_S),
    )
    registration = Registration(
        url=asked.text("url"), name=asked.text("model_name"), handler=asked.text("handler"), settings=settings
    )
    return await torchserve_models.register(catalogue, registration)


async def _scale(catalogue: Catalogue, asked: Asked) -> str:
    most = torchserve_models.MOST_WORKERS
    change = Change(least=_over_0(asked, "min_worker", most) or 1, most=_over_0(asked, "max_worker", most))
    name, version = asked.text("model_name"), asked.text("model_version")
    _, text = await torchserve_models.change(catalogue, name, version, change, bool(asked.number("synchronous")))
    return text


async def _set_default(catalogue: Catalogue, asked: Asked) -> str:
    return await torchserve_models.set_default(catalogue, asked.text("model_name"), asked.text("model_version"))


async def _unregister(catalogue: Catalogue, asked: Asked) -> str:
    return await torchserve_models.unregister(catalogue, asked.text("model_name"), asked.text("model_version"))


def _over_0(asked: Asked, name: str, most: int) -> int | None:
    """A number; 0, which cannot be told from none, and less is none, as there.

    Raises:
        Refused: it is too large.
    """
    number = asked.number(name)
    if number > most:
        raise Refused(400, "BadRequestException", f"{name} must be at most {most}, got {number}")
    return number if number > 0 else None


def _method(name: str, answer: Callable[[Catalogue, Asked], Awaitable[str]]) -> Method:
    async def method(plane: DataPlane, call: Call, message: Message) -> bytes:
        await plane.catalogue.start.over(call.deadline)
        return proto.encode_management(await answer(plane.catalogue, proto.decode_management(name, message)))

    return method


API = "torchserve"
NAMES = (proto.MANAGEMENT_SERVICE,)
METHODS: Mapping[str, Method] = {
    "DescribeModel": _method("DescribeModel", _describe),
    "ListModels": _method("ListModels", _list),
    "RegisterModel": _method("RegisterModel", _register),
    "ScaleWorker": _method("ScaleWorker", _scale),
    "SetDefault": _method("SetDefault", _set_default),
    "UnregisterModel": _method("UnregisterModel", _unregister),
}
MANAGEMENT = tuple(METHODS)
status_of, forbidden = words.status_of, words.forbidden
exists = words.is_torchserve
