"""Services over one tiny model that runs in this process: what the protocols see of a server, without one."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from paddle_serving_app.backend import ModelOptions
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.meter import Meter
from paddle_serving_server.engine.counted import CountedEngine
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from paddle_serving_server.user_code.threads import Threads


@contextlib.asynccontextmanager
async def catalogue_of(folder: Path, *services: WebService) -> AsyncIterator[Catalogue]:
    """All of them with the model of one folder."""
    engine = LocalEngine.load(folder, ModelOptions(threads=1))
    try:
        with contextlib.closing(Threads(1, "test")) as threads:
            meter = Meter(Counters())
            for service in services:
                service.load_model_config(folder)
                counted = CountedEngine(engine, meter.counters, service.name, "m", version=lambda: "1")
                service.bind({"": counted}, threads)
            catalogue = Catalogue(services, meter=meter)
            catalogue.is_ready = True
            yield catalogue
    finally:
        await engine.close()
