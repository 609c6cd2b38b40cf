"""Where engines are put together: the lines to the processes of a model, and what is wrapped around them.

    Channel ... Channel    one line for each instance of a version      engine/channel.py
    Replicas               spreads requests over them                   engine/replicas.py
    Live                   the version that answers now                 engine/live.py
    wrappers               one line each, in `Assembly.engine`

Services that need the same folder with the same options share a `Live`; wrappers belong to one model of one service.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.encryption import key_from_text
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.live import Live
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.settings import DeploymentSpec
from paddle_serving_server.front.wrappers import Wrappers
from paddle_serving_server.services.service import ModelPlan, Service

Connect = Callable[[DeploymentSpec], Awaitable[Live]]
"""Asks for the engines of a model; they may still be loading: `Live.ready` waits for them."""


class Assembly:
    """Makes the engines of services."""

    def __init__(self, config: ServerConfig, connect: Connect, wrappers: Wrappers) -> None:
        self._config = config
        self._wrappers = wrappers
        self._connect = connect
        self._lives: list[Live] = []
        self._lives_of: dict[str, list[Live]] = {}

    async def engines_of(self, service: Service) -> dict[str, Engine]:
        """The engines that a service needs, by the names it gave its models."""
        return {name: await self.engine(service, name, plan) for name, plan in service.plans.items()}

    async def engine(self, service: Service, name: str, plan: ModelPlan) -> Engine:
        """One model of a service: its live version, and everything around that, innermost first."""
        engine: Engine = await self._model(service, plan)

        async def load(folder: str, nice: int) -> Engine:
            # Its answers are others: a golden sample of its own lies in its folder.
            return await self._model(
                service, replace(plan, folder=folder, options=replace(plan.options, golden="")), nice
            )

        return await self._wrappers.around(engine, service, name, load)

    async def ready(self) -> None:
        """Wait until every model is loaded."""
        for live in self._lives:
            await live.ready()
        self._wrappers.check()

    async def close(self) -> None:
        """Let go of every model."""
        await self._wrappers.close()
        for live in self._lives:
            await live.close()

    def lives_of(self, service: str) -> list[Live]:
        """The models of a service that can be reloaded."""
        return self._lives_of.get(service, [])

    async def _model(self, service: Service, plan: ModelPlan, nice: int = 0) -> Engine:
        options = self._options(plan.options)
        if service.in_process:
            folder = repository.newest(plan.folder).folder
            key = key_from_text(self._config.key, "the key") if self._config.key else None
            return LocalEngine.load(folder, options, self._config.tune_s, key)
        live = await self._connect(replace(self._spec_of(plan, options), nice=nice))
        self._lives_of.setdefault(service.name, [])
        for known in (self._lives, self._lives_of[service.name]):
            if live not in known:
                known.append(live)
        return live

    def _spec_of(self, plan: ModelPlan, options: ModelOptions) -> DeploymentSpec:
        return DeploymentSpec(
            folder=plan.folder,
            options=options,
            instances=plan.instances or self._config.instances,
            max_rows=plan.max_rows or self._config.max_rows,
            tune_s=self._config.tune_s,
            max_wait_ms=self._config.max_wait_ms,
            log_level=self._config.log_level,
        )

    def _options(self, of_service: ModelOptions) -> ModelOptions:
        """What the service file says, over what the command line says."""
        flags = self._config.options
        return replace(
            flags,
            gpu_id=flags.gpu_id if of_service.gpu_id is None else of_service.gpu_id,
            precision=flags.precision if of_service.precision == "fp32" else of_service.precision,
            use_trt=flags.use_trt or of_service.use_trt,
            golden=of_service.golden,
        )
