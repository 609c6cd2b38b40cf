"""baidu_std: what brpc clients speak."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping

from paddle_serving_server.config.listening import Listening
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.recalled_calls import RecalledCalls
from paddle_serving_server.protocols.brpc.stream import BrpcStream

_MAGIC = b"PRPC"
_API = "paddle"


def claims(head: bytes) -> bool | None:
    """Whether these first bytes begin a baidu_std frame."""
    if len(head) < len(_MAGIC):
        return None if _MAGIC.startswith(head) else False
    return head.startswith(_MAGIC)


def callers() -> set[str]:
    """The families of callers that speak it."""
    return {_API}


def streams(plane: DataPlane, at: Listening) -> Callable[[asyncio.Transport, Flow], BrpcStream] | None:
    """What serves baidu_std on a connection."""
    if not at.has(_API):
        return None
    recalled: Mapping[str, RecalledCalls] = defaultdict(RecalledCalls)
    """By service."""
    return lambda transport, flow: BrpcStream(transport, flow, plane, recalled)
