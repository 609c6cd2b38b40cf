"""A call of the engine of user code, as a front makes it: a value there, a value back."""

import time
from typing import Any

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import BackendFailed
from paddle_serving_client.message import Stage
from paddle_serving_server.engine import values
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, stages_of


async def call(
    engine: Engine, value: object, kind: tuple[int, ...], context: Context
) -> tuple[dict[str, Any], tuple[Stage, ...]]:
    """Give an engine a packet of `handler_packets`; the one that it answers with, and what took the time.

    Args:
        engine: of user code.
        value: the packet.
        kind: `handler_packets.CALL`, or `PART`.
        context: of the request.

    Raises:
        BackendFailed: a value cannot travel, or what came is no packet. Otherwise as `Engine.run`.
    """
    arrays = values.to_arrays(value)
    asked = time.monotonic()
    reply = await engine.run(Arranged(arrays, {}), kind, context)
    came = time.monotonic()
    packet = values.of_arrays(reply.arrays)
    if not isinstance(packet, dict):
        raise BackendFailed("an engine answered what is no result")
    return packet, stages_of(reply, asked, came)
