"""Several instances of one model as one engine: each request goes to the instance with the fewest waiting."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client.errors import BackendFailed
from paddle_serving_server.engine.channel import Channel
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.handler_plan import PROCESS
from paddle_serving_server.engine.interface import Reply

PROCESSES: Final = "processes"
"""In a plan: what each instance says of its process, where it says that."""


class Replicas:
    """The lines of one front to the instances of one version. They load the same files, so any of them may answer."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = tuple(channels)

    @property
    def signature(self) -> Signature:
        """See `interface.Engine`."""
        return self._channels[0].signature

    @property
    def backend_name(self) -> str:
        """See `interface.Engine`."""
        return self._channels[0].backend_name

    @property
    def plan(self) -> Mapping[str, object]:
        """See `interface.Engine`."""
        processes = [channel.plan[PROCESS] for channel in self._channels if PROCESS in channel.plan]
        more = {PROCESSES: processes} if processes else {}
        return {**self._channels[0].plan, "instances": len(self._channels), **more}

    @property
    def count(self) -> int:
        """How many instances there are."""
        return len(self._channels)

    @property
    def waiting(self) -> int:
        """Requests whose answer is still out."""
        return sum(channel.waiting for channel in self._channels)

    async def ready(self) -> None:
        """Wait until every instance has loaded the model."""
        for channel in self._channels:
            await channel.ready()

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        channel: Channel = context.instance or self._idlest(context.askers)
        if context.stays:
            context.instance = channel
        return await channel.run(arranged, outputs, context)

    def begin(self, arranged: Arranged, outputs: Sequence[int], deadline: float, calls: int) -> "asyncio.Future[Reply]":
        """See `Channel.begin`."""
        return self._idlest().begin(arranged, outputs, deadline, calls)

    async def close(self) -> None:
        """Close the lines."""
        for channel in self._channels:
            await channel.close()

    def _idlest(self, askers: Sequence[object] = ()) -> Channel:
        """Fewest waiting, of those that are up; where all are down, one of them will be up again.

        Raises:
            BackendFailed: each of them waits for this answer itself.
        """
        channels = self._channels
        if askers:
            channels = tuple(channel for channel in channels if channel not in askers)
            if not channels:
                raise BackendFailed(
                    "user code that asks itself waits for an answer which none of its "
                    f"{self.count} process(es) can give meanwhile; give it more instances"
                )
        if len(channels) == 1:
            return channels[0]
        up = [channel for channel in channels if channel.is_connected]
        return min(up or channels, key=lambda channel: channel.waiting)
