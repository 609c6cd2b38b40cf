"""Where engines are put together: the lines to the processes of a model, and what is wrapped around them.

    Channel ... Channel    one line for each instance of a version      engine/channel.py
    Replicas               spreads requests over them                   engine/replicas.py
    Live                   the version that answers now                 engine/live.py
    wrappers               one line each, in `Assembly.engine`

Services that need the same folder with the same options share a `Live`; wrappers belong to one model of one service.
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Protocol

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.encryption import key_from_text
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.live import Live
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.settings import DeploymentSpec, ModelSettings
from paddle_serving_server.front.wrappers import Wrappers
from paddle_serving_server.services.service import Service


class Source(Protocol):
    """Where the engines of models come from: `lives.Lives`."""

    def connect(self, spec: DeploymentSpec, service: str, part: int) -> Awaitable[Live]:
        """Ask for those of a model; they may still be loading: `Live.ready` waits for them."""

    def release(self, live: Live) -> Awaitable[None]:
        """One of those who have asked for them lets go of them."""


class Assembly:
    """Makes the engines of services."""

    def __init__(self, config: ServerConfig, source: Source, wrappers: Wrappers) -> None:
        self._config = config
        self._wrappers = wrappers
        self._source = source
        self._lives: dict[Service, list[Live]] = {}

    async def engines_of(self, service: Service, part: int = 0) -> dict[str, Engine]:
        """The engines that a service needs, by the names it gave its models.

        Args:
            service: has plans for them.
            part: the registry's number of the version that it is; 0: it is from a file.
        """
        self._lives[service] = []
        return {name: await self._engine(service, name, plan, part) for name, plan in service.plans.items()}

    async def ready(self, service: Service) -> None:
        """Wait until every model of a service is loaded."""
        for live in self._lives[service]:
            await live.ready()

    async def release(self, service: Service) -> None:
        """A service has given its last answer: let go of what it needed."""
        for live in self._lives.pop(service, []):
            await self._source.release(live)
        await self._wrappers.forget(service)

    async def close(self) -> None:
        """Let go of every model."""
        await self._wrappers.close()
        for live in {id(live): live for lives in self._lives.values() for live in lives}.values():
            await live.close()

    async def _engine(self, service: Service, name: str, plan: ModelSettings, part: int) -> Engine:
        """One model of a service: its live version, and everything around that, innermost first."""
        engine: Engine = await self._model(service, plan, part)

        async def load(folder: str, nice: int) -> Engine:
            # Its answers are others: a golden sample of its own lies in its folder.
            return await self._model(
                service, replace(plan, folder=folder, options=replace(plan.options, golden="")), part, nice
            )

        return await self._wrappers.around(engine, service, name, load)

    async def _model(self, service: Service, plan: ModelSettings, part: int, nice: int = 0) -> Engine:
        options = self._options(plan.options)
        if service.in_process and plan.handler is None:
            folder = repository.newest(plan.folder).folder
            key = key_from_text(self._config.key, "the key") if self._config.key else None
            return LocalEngine.load(folder, options, self._config.tune_s, key)
        live = await self._source.connect(replace(self._spec_of(plan, options), nice=nice), service.name, part)
        self._lives[service].append(live)
        return live

    def _spec_of(self, plan: ModelSettings, options: ModelOptions) -> DeploymentSpec:
        return DeploymentSpec(
            folder=plan.folder,
            options=options,
            instances=plan.instances or self._config.instances,
            max_rows=plan.max_rows or self._config.max_rows,
            tune_s=self._config.tune_s,
            max_wait_ms=self._config.max_wait_ms if plan.max_wait_ms is None else plan.max_wait_ms,
            handler=plan.handler,
            one_by_one=plan.one_by_one,
            stamp=plan.stamp,
            max_waiting=plan.max_waiting,
            log_level=self._config.log_level,
        )

    def _options(self, of_service: ModelOptions) -> ModelOptions:
        """What the service file says, over what the command line says."""
        flags = self._config.options
        return replace(
            flags,
            backend=of_service.backend or flags.backend,
            threads=of_service.threads or flags.threads,
            gpu_id=flags.gpu_id if of_service.gpu_id is None else of_service.gpu_id,
            precision=flags.precision if of_service.precision == "fp32" else of_service.precision,
            use_trt=flags.use_trt or of_service.use_trt,
            golden=of_service.golden,
        )
