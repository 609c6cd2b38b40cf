"""Calls that are inside a service: one that is taken out of the server answers them first."""

from paddle_serving_client.message import Parts, Response
from paddle_serving_server.services.service import Service


class PartsInside:
    """A response in parts, inside its service until the last one is taken or no more are wanted."""

    def __init__(self, service: Service, parts: Parts) -> None:
        self._service = service
        self._parts = parts
        self._is_inside = True
        service.inside += 1

    def __aiter__(self) -> "PartsInside":
        return self

    async def __anext__(self) -> Response:
        """See `message.Parts`."""
        try:
            return await self._parts.__anext__()
        except BaseException:
            self._leave()
            raise

    async def aclose(self) -> None:
        """See `message.Parts`."""
        try:
            await self._parts.aclose()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._is_inside:
            self._is_inside = False
            self._service.inside -= 1
