"""The two ends of a pipeline: from a request to the dict of the first op, and from the last result to the answer."""

import logging
from functools import partial
from typing import Any, Final

from paddle_serving_client.errors import NoMethod, ServingError
from paddle_serving_client.message import Request
from paddle_serving_client.wire import pipeline as wire
from paddle_serving_client.wire.pipeline import PipelineResponse
from paddle_serving_client.wire.proto import pipeline_service_pb2
from paddle_serving_server.graph.pipeline.channel import ChannelData
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode, OpFailed, raised
from paddle_serving_server.graph.pipeline.op import RequestOp, ResponseOp
from paddle_serving_server.user_code.threads import Threads

logger = logging.getLogger(__name__)

_LARGE: Final = 1000
"""Elements of an array from which its text is made in a thread."""


class Ends:
    """A pipeline's RequestOp and ResponseOp."""

    def __init__(self, service: str, request: RequestOp, response: ResponseOp, threads: Threads) -> None:
        """Prepare both for the service of that name; `threads` run what a user has written.

        Raises:
            Whatever an `init_op` raises.
        """
        self._service = service
        self._request = request
        self._response = response
        self._threads = threads
        self._packs_itself = type(response).pack_response_package is not ResponseOp.pack_response_package
        request.init_op()
        response.init_op()

    async def unpacked(self, request: Request) -> tuple[dict[str, Any], int]:
        """What the first op finds, and the log id.

        Raises:
            NoMethod: the request carries tensors, or many instances. OpFailed: the RequestOp ends it.
        """
        if request.raw is None:
            if request.tensors is not None or len(request.instances) != 1:
                raise NoMethod(usage(self._service))
            return dict(request.instances[0]), request.log_id
        message = pipeline_service_pb2.Request.FromString(request.raw)
        unpack = self._request.unpack_request_package
        data, log_id, code, info = await self._user_code(unpack, message, request.log_id, request.deadline)
        if code is not None and code != 0:
            raise OpFailed(code, str(info))
        if not isinstance(data, dict):
            raise OpFailed(ChannelDataErrcode.TYPE_ERROR, f"unpack_request_package gave a {type(data).__name__}")
        return data, int(log_id or 0)

    async def packed(self, result: ChannelData, deadline: float) -> PipelineResponse:
        """The answer of the ResponseOp.

        Raises:
            OpFailed: it cannot be made, or an op has ended the request.
        """
        pack = self._response.pack_response_package
        if self._packs_itself:
            answer = await self._user_code(pack, result, result.log_id, deadline)
        elif result.error_code:
            raise OpFailed(result.error_code, result.error_info)
        elif any(getattr(value, "size", 0) > _LARGE for value in (result.data or {}).values()):
            answer = await self._threads.run(partial(pack, result), deadline, is_begun=True)
        else:
            answer = pack(result)
        if not isinstance(answer, PipelineResponse):
            return wire.decode_response(answer.SerializeToString())
        for name, value in zip(answer.key, answer.value, strict=False):
            if not _is_unicode(name) or not _is_unicode(value):
                text = f"the text of {name[:64]!r} has half a surrogate pair, which is no Unicode"
                raise OpFailed(ChannelDataErrcode.TYPE_ERROR, text)
        return answer

    async def _user_code(self, method: Any, argument: object, log_id: int, deadline: float) -> Any:
        try:
            return await self._threads.run(partial(method, argument), deadline, title=f"{method.__name__}")
        except ServingError:
            raise
        except Exception as exc:
            logger.exception("%s failed, log_id=%d", method.__name__, log_id)
            owner = type(method.__self__).__name__
            raise OpFailed(ChannelDataErrcode.UNKNOW, raised(log_id, exc, owner, method.__name__)) from exc


def usage(service: str) -> str:
    """What who asks a pipeline in a wrong way is told."""
    return f"{service!r} is a pipeline: POST /{service}/prediction with key and value, or gRPC"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
