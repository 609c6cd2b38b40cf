"""What a service that is made of other services sees of a catalogue."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from paddle_serving_client.errors import BackendFailed, BadConfig, BadModel, NoService, Starting
from paddle_serving_client.message import Request, Response
from paddle_serving_server.engine.context import Context
from paddle_serving_server.graph.tensor_graph import Ask
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service

_LOOK_S: Final = 0.02


class CatalogueOthers:
    """See `service.Others`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @contextlib.contextmanager
    def held(self, models: Iterable[tuple[str, str]], context: Context) -> Iterator[Ask]:
        """See `Others.held`.

        All services that a request may come to are settled when it begins, also those that are asked by others that it
        asks. A service that is asked once needs to hold nothing but itself.
        """
        found: dict[tuple[str, str], Service] = {}
        times: Counter[Service] = Counter()
        self._reached(models, found, times)
        answering: dict[Service, Service] = {}

        async def ask(request: Request) -> Response:
            return await answering[found[request.model, request.version]].infer(request)

        for service, count in times.items():
            held = service.held(context) if count > 1 and not service.asks else service
            answering[service] = held.asking(ask)
            service.inside += 1
        try:
            yield ask
        finally:
            for service in times:
                service.inside -= 1

    def _reached(
        self, models: Iterable[tuple[str, str]], found: dict[tuple[str, str], Service], times: "Counter[Service]"
    ) -> None:
        """Which services a request may come to, and how often each is asked, as far as that is more than once."""
        for key in models:
            service = found[key] if key in found else self._find(*key)
            found[key] = service
            times[service] += 1
            if times[service] <= 2:  # those that one asks that is asked twice are asked twice, too
                self._reached(service.asks, found, times)

    async def there(self, name: str, models: Iterable[tuple[str, str]]) -> None:
        """See `Others.there`."""
        for asked, version in models:
            while not self._is_there(name, asked, version):
                await asyncio.sleep(_LOOK_S)

    def _is_there(self, name: str, asked: str, version: str) -> bool:
        try:
            self._catalogue.find(asked, version)
        except Starting:
            return False
        except NoService as exc:
            raise BadModel(f"ensemble '{name}' depends on '{asked}' which has no loaded version: {exc}") from exc
        return True

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
                paths += [[*path, asked] for service in versions for asked, _ in service.asks]

    def _find(self, name: str, version: str) -> Service:
        try:
            return self._catalogue.find(name, version)
        except NoService as exc:
            raise BackendFailed(f"a step of the graph cannot be asked: {exc}") from exc
