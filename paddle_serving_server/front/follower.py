"""Follows the registry: makes the services of versions that are to be served, and lets go of those that are not.

Registered ──> note it; a part that is new, and wanted ──> its service, its engines ──> offered: Offering
                        a part that is wanted no more ──> withdrawn, its last answers ──> released: Dropped
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.values import Limits, ServedModel
from paddle_serving_server.front.assembly import Assembly
from paddle_serving_server.front.wrappers import Wrappers
from paddle_serving_server.process.line import Line
from paddle_serving_server.process.registry_messages import Dropped, Offering, Registered, Unregistered, Unservable
from paddle_serving_server.process.states import State
from paddle_serving_server.services import from_config, triton_warmup
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.model_status import ModelStatus
from paddle_serving_server.services.others import CatalogueOthers
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code.threads import Threads

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.02
_EXTRA_S: Final = 10.0
"""How much longer than any request may take is waited for the last answers of a version."""


@dataclass(slots=True, eq=False)
class _Part:
    """A version of a model, as this front has it."""

    name: str
    task: "asyncio.Task[None] | None" = None
    """What makes it."""
    service: Service | None = None
    is_going: bool = False
    was_ready: bool = False
    """Whether other fronts answered with it when this one was told of it first."""


class Follower:
    """Of one front."""

    def __init__(
        self, catalogue: Catalogue, assembly: Assembly, wrappers: Wrappers, threads: Threads, limits: Limits, line: Line
    ) -> None:
        self._catalogue = catalogue
        self._assembly = assembly
        self._wrappers = wrappers
        self._threads = threads
        self._limits = limits
        self._line = line
        self._parts: dict[int, _Part] = {}
        """By the registry's number."""
        self._going: set[asyncio.Task[None]] = set()
        self.caught_up = asyncio.Event()
        """Everything that is registered has been told."""

    def follow(self, message: Registered) -> None:
        """An entry is as the message says."""
        status = ModelStatus.of(message)
        self._catalogue.note(status)
        ready = {version.part for version in status.versions if version.state is State.READY}
        wanted = {values["part"]: values for values in message.versions if "model" in values}
        for number, values in wanted.items():
            if number not in self._parts:
                part = self._parts[number] = _Part(message.name, was_ready=number in ready)
                part.task = asyncio.get_running_loop().create_task(self._make(number, part, values))
        self._drop(number for number, part in self._parts.items() if part.name == message.name and number not in wanted)

    def forget(self, message: Unregistered) -> None:
        """There is no such entry any more."""
        self._catalogue.forget(message.name)
        self._drop(number for number, part in self._parts.items() if part.name == message.name)

    async def started(self, has_served: bool) -> None:
        """Wait until what is to be served from the beginning is, or is not wanted any more.

        Args:
            has_served: whether the server has answered before: then what still loads is not waited for.
        """
        await self.caught_up.wait()
        parts = [part for part in self._parts.values() if part.was_ready or not has_served]
        if tasks := [part.task for part in parts if part.task is not None]:
            await asyncio.wait(tasks)

    async def _make(self, number: int, part: _Part, values: Mapping[str, Any]) -> None:
        try:
            model = ServedModel.from_dict(values["model"])
            part.service = service = from_config.model_service(model)
            service.fixed_version = values["version"] if values["is_fixed"] else ""
            engines = await self._assembly.engines_of(service, number)
            await self._assembly.ready(service)
            self._wrappers.check(service)
            service.limits, service.others = self._limits, CatalogueOthers(self._catalogue)
            service.counters = self._catalogue.meter.counters
            if service.asks:
                await self.caught_up.wait()
                await service.others.there(service.name, service.asks)
            service.bind(engines, self._threads)
            if model.triton is not None:
                await triton_warmup.run(service, Path(model.triton.folder))
        except Exception as exc:
            if not isinstance(exc, ServingError):
                logger.exception("model %r cannot be served", part.name)
            self._line.tell(Unservable(number, reason_of(exc)))
            return
        if not part.is_going:
            self._catalogue.offer(service, number)
            self._line.tell(Offering(number))

    def _drop(self, numbers: Iterable[int]) -> None:
        for number in list(numbers):
            part = self._parts[number]
            if not part.is_going:
                part.is_going = True
                task = asyncio.get_running_loop().create_task(self._let_go(number, part))
                self._going.add(task)
                task.add_done_callback(self._going.discard)

    async def _let_go(self, number: int, part: _Part) -> None:
        """Answer what was given to it, and need it no more."""
        assert part.task is not None
        part.task.cancel()
        await asyncio.wait([part.task])
        self._catalogue.withdraw(part.name, number)
        if (service := part.service) is not None:
            await asyncio.sleep(_LOOK_S)  # what has found it in this turn of the event loop has not asked it yet
            until = time.monotonic() + self._limits.request_s + _EXTRA_S
            while service.inside and time.monotonic() < until:
                await asyncio.sleep(_LOOK_S)
            await self._assembly.release(service)
        del self._parts[number]
        self._line.tell(Dropped(number))


def reason_of(error: BaseException) -> str:
    """One line on why a service could not be made."""
    if isinstance(error, ServingError):
        return str(error)
    return f"{type(error).__name__}: {error}"
