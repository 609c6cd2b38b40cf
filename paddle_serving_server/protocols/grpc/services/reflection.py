"""grpc.reflection, v1 and v1alpha: the services that are answered at an address, and what their messages are."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Final

from paddle_serving_client.errors import NoService
from paddle_serving_client.wire import reflection
from paddle_serving_client.wire.grpc import Status
from paddle_serving_client.wire.reflection import Question
from paddle_serving_server.config.listening import SERVER
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.protocols.grpc.services import Bidirectional, Message, Method, Streaming


async def _info(plane: DataPlane, call: Call, messages: AsyncIterator[Message]) -> AsyncGenerator[bytes, None]:
    """Answer each question of the stream; what is not there is an answer, and does not end it."""
    async for message in messages:
        yield _answer(plane, call, reflection.decode_request(message))


def _answer(plane: DataPlane, call: Call, question: Question) -> bytes:
    if question.field == "list_services":
        names = [name for service in services.here(plane.catalogue, call.at) for name in service.NAMES]
        return reflection.encode_services(question, reflection.described(names))
    find = _FILES.get(question.field)
    if find is None:
        what = "has no extensions" if question.field else "a question is one of list_services, file_by_filename, ..."
        code = Status.NOT_FOUND if question.field else Status.INVALID_ARGUMENT
        return reflection.encode_error(question, code, f"{question.name[:256]!r} {what}" if question.field else what)
    try:
        return reflection.encode_files(question, find(question.name))
    except NoService as exc:
        return reflection.encode_error(question, Status.NOT_FOUND, str(exc))


_FILES: Final[Mapping[str, Callable[[str], list[bytes]]]] = {
    "file_by_filename": reflection.file_named,
    "file_containing_symbol": reflection.file_of,
}

API = SERVER
NAMES = reflection.SERVICES
METHODS: Mapping[str, Method] = {}
STREAMS: Mapping[str, Streaming] = {"ServerReflectionInfo": Bidirectional(_info)}
