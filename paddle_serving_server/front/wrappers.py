"""What is put around the engine of a model: a shadow, counts, a cache; and for an A/B test, several of those.

    Variants
      main   Shadow   Counted   Cached   the engine
      b               Counted   Cached   its engine

Of these, only `Counted` is always there.
"""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.trial_models import MAIN, TrialModel
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine.cache import Cache, CachedEngine
from paddle_serving_server.engine.compatible import objection
from paddle_serving_server.engine.counted import CountedEngine
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.shadow import NICE, ShadowEngine
from paddle_serving_server.engine.variants import VariantsEngine
from paddle_serving_server.services.service import Service

Load = Callable[[str, int], Awaitable[Engine]]
"""Gets the engine of another folder, with the options of the same model and so much lower a priority."""


class Wrappers:
    """Puts them around the engines of a server, and knows those that people ask about."""

    def __init__(self, config: ServerConfig, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._cache = Cache(config.cache_bytes, counters) if config.cache_bytes else None
        self._services: list[str] = []
        self._weights: dict[str, Mapping[str, object]] = {}
        """Of variants, by service, as they were last changed."""
        self._made = itertools.count(1)
        self._variants_of: dict[Service, VariantsEngine] = {}
        self._shadows_of: dict[Service, list[ShadowEngine]] = {}
        self.variants: dict[str, VariantsEngine] = {}
        """By service."""
        self.shadows: list[ShadowEngine] = []

    async def around(self, engine: Engine, service: Service, name: str, load: Load) -> Engine:
        """Wrap one model of a service; its first one may have variants and shadows."""
        if service.name not in self._services:
            self._services.append(service.name)
        model = name or Path(service.plans[name].folder).resolve().name
        if service.plans[name].handler is not None:
            return self._around_handler(engine, service, model)
        if name != next(iter(service.plans)):
            return self._observed(engine, service, model, "")
        variants = self._of(service.name, self._config.variants)
        found = self._observed(engine, service, model, MAIN if variants else "")
        for shadow in self._of(service.name, self._config.shadows):
            labels = {"service": service.name, "model": model, "shadow": shadow.tag}
            other = await load(shadow.folder, NICE)
            found = ShadowEngine(found, other, shadow.percent, self._config.shadow_tolerance, self._counters, labels)
            self.shadows.append(found)
            self._shadows_of.setdefault(service, []).append(found)
        if not variants:
            return found
        engines: dict[str, Engine] = {MAIN: found}
        for variant in variants:
            engines[variant.tag] = self._observed(await load(variant.folder, 0), service, model, variant.tag)
        weights = {MAIN: 100.0 - sum(v.percent for v in variants)} | {v.tag: v.percent for v in variants}
        found_variants = self.variants[service.name] = VariantsEngine(engines, weights, self._config.variant_by_log_id)
        self._variants_of[service] = found_variants
        if service.name in self._weights:
            found_variants.set_weights(self._weights[service.name])
        return found_variants

    def weigh(self, service: str, weights: Mapping[str, object]) -> None:
        """Somebody has changed the weights of variants."""
        self._weights[service] = weights
        if service in self.variants:
            self.variants[service].set_weights(weights)

    def check_all(self) -> None:
        """When the server has started: whether every service is there that has variants or shadows.

        Raises:
            BadConfig: one is not.
        """
        for model in (*self._config.variants, *self._config.shadows):
            if model.service and model.service not in self._services:
                served = ", ".join(map(repr, self._services))
                raise BadConfig(
                    f"{model.tag!r} is for service {model.service!r}, which is not served; there are {served}"
                )

    def check(self, service: Service) -> None:
        """When its engines are loaded: whether what is to stand in for others can.

        Raises:
            BadConfig: inputs or outputs differ.
        """
        if _has_sequences(service) and self._config.fronts > 1:
            raise BadConfig(
                f"model {service.name!r} has sequence_batching, for which one process has to see all requests: "
                f"--fronts 1, not {self._config.fronts}"
            )
        if service.name in self.variants:
            self.variants[service.name].check()
        for shadow in self._shadows_of.get(service, ()):
            if (reason := objection(shadow.signature, shadow.shadow.signature)) is not None:
                raise BadConfig(f"shadow {shadow.labels['shadow']!r} cannot be compared: {reason}")

    async def forget(self, service: Service) -> None:
        """A service is gone."""
        if self._variants_of.get(service) is self.variants.get(service.name):
            self.variants.pop(service.name, None)
        self._variants_of.pop(service, None)
        for shadow in self._shadows_of.pop(service, ()):
            await shadow.stop()
            self.shadows.remove(shadow)

    async def close(self) -> None:
        """End what runs by itself."""
        for shadow in self.shadows:
            await shadow.stop()

    def _of(self, service: str, models: tuple[TrialModel, ...]) -> list[TrialModel]:
        is_first = service == self._services[0]
        return [model for model in models if model.service == service or (not model.service and is_first)]

    def _around_handler(self, engine: Engine, service: Service, model: str) -> Engine:
        """User code answers each call anew, and by itself."""
        if self._of(service.name, (*self._config.variants, *self._config.shadows)):
            raise BadConfig(f"service {service.name!r} is user code: only models have variants and shadows")
        return self._counted(engine, service, model, "")

    def _observed(self, engine: Engine, service: Service, model: str, tag: str) -> Engine:
        if self._cache is not None and not _has_sequences(service):
            # What another engine of that name has answered is not this one's answer.
            engine = CachedEngine(engine, self._cache, f"{service.name}/{model}/{tag}/{next(self._made)}")
        return self._counted(engine, service, model, tag)

    def _counted(self, engine: Engine, service: Service, model: str, tag: str) -> Engine:
        return CountedEngine(engine, self._counters, service.name, model, tag, lambda: service.version)


def _has_sequences(service: Service) -> bool:
    """Whether what it answers depends on what it was asked before."""
    return service.triton is not None and service.triton.sequence_batching is not None
