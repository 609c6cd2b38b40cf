"""What a service that is made of other services sees of a catalogue."""

import contextlib
from collections.abc import Iterable, Iterator

from paddle_serving_client.errors import BackendFailed, BadConfig, NoService
from paddle_serving_client.message import Request, Response
from paddle_serving_server.engine.context import Context
from paddle_serving_server.graph.tensor_graph import Ask
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service


class CatalogueOthers:
    """See `service.Others`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @contextlib.contextmanager
    def held(self, models: Iterable[tuple[str, str]], context: Context) -> Iterator[Ask]:
        """See `Others.held`; a service that is asked once needs to hold nothing but itself."""
        asked = list(models)
        found = {key: self._find(*key) for key in dict.fromkeys(asked)}
        answering = {key: s.held(context) if asked.count(key) > 1 else s for key, s in found.items()}

        async def ask(request: Request) -> Response:
            return await answering[request.model, request.version].infer(request)

        for service in found.values():
            service.inside += 1
        try:
            yield ask
        finally:
            for service in found.values():
                service.inside -= 1

    def refuse_circle(self, name: str, asks: Iterable[str]) -> None:
        """See `Others.refuse_circle`."""
        paths = [[name, asked] for asked in dict.fromkeys(asks)]
        seen: set[str] = set()
        while paths:
            path = paths.pop()
            if path[-1] == name:
                raise BadConfig(f"service {name!r} would wait for itself: it asks {' -> '.join(path[1:])}")
            if path[-1] not in seen:
                seen.add(path[-1])
                versions = self._catalogue.versions(path[-1]).values()
                paths += [[*path, asked] for service in versions for asked in service.asks]

    def _find(self, name: str, version: str) -> Service:
        try:
            return self._catalogue.find(name, version)
        except NoService as exc:
            raise BackendFailed(f"a step of the graph cannot be asked: {exc}") from exc
