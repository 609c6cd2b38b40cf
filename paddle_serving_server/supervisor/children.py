"""The processes of a server: which there are, what they say, and what becomes of those that die."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paddle_serving_app.exit_status import shown
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.meter import RESTARTS
from paddle_serving_server.engine.settings import EXIT_CANNOT_START
from paddle_serving_server.process import control, machine
from paddle_serving_server.process.message import Message
from paddle_serving_server.process.registry_messages import Asked, Unservable
from paddle_serving_server.supervisor.child import Slot
from paddle_serving_server.supervisor.code_watcher import CodeWatcher
from paddle_serving_server.supervisor.deployment import Deployment
from paddle_serving_server.supervisor.deployments import Deployments
from paddle_serving_server.supervisor.fronts import Fronts
from paddle_serving_server.supervisor.lifecycle import Lifecycle
from paddle_serving_server.supervisor.verbs import Verbs
from paddle_serving_server.supervisor.version import Engine

logger = logging.getLogger(__name__)

_INIT: Final = 1
"""The number of a container's first process."""
_FALSE_STARTS: Final = 3
"""How often a process may die before it was ever ready, until the server gives up."""


@dataclass(slots=True, eq=False)
class Ending:
    """Whether a server is stopping, and how."""

    is_stopping: bool = False
    exit_status: int = 0
    deadline: float = float("inf")
    """When whoever still works is killed."""


class Children:
    """All of them."""

    def __init__(
        self,
        fronts: Fronts,
        deployments: Deployments,
        lifecycle: Lifecycle,
        verbs: Verbs,
        code: CodeWatcher,
        counters: Counters,
        ending: Ending,
        give_up: Callable[[str], None],
    ) -> None:
        """`give_up` ends a server that cannot start, with the reason."""
        self._fronts = fronts
        self._deployments = deployments
        self._lifecycle = lifecycle
        self._verbs = verbs
        self._code = code
        self._counters = counters
        self._ending = ending
        self._give_up = give_up

    @property
    def all(self) -> list[Slot]:
        """Every place for one."""
        return [*self._fronts.all, *self._deployments.engines]

    @property
    def wanted(self) -> list[Slot]:
        """Who is started again when it dies: everybody, or, when stopping, engines that fronts still need."""
        engines = [engine for engine in self._deployments.engines if not engine.is_ending]
        if not self._ending.is_stopping:
            return [*self._fronts.slots, *engines]
        is_draining = self._ending.exit_status == 0 and self._fronts.are_there
        return [*engines] if is_draining else []

    def hear(self, slot: Slot) -> None:
        """Mind what one of them says."""
        message = slot.hear()
        if isinstance(message, control.Failed):
            slot.failure = message.reason
        elif message is not None and isinstance(slot, Engine):
            self._deployments.of(slot).engine_says(slot, message)
        elif message is not None:
            self._front_says(slot, message)

    def _front_says(self, front: Slot, message: Message) -> None:
        match message:
            case control.Serving():
                front.is_ready = front.was_ready = True
                self._fronts.serves(front)
            case control.CodeRead(files):
                self._code.add(files)
            case control.Needed():
                self._deployments.needed(front, message)
                self._fronts.greet(front)
            case control.Unneeded(deployment):
                self._deployments.unneeded(front, deployment)
            case control.Switched(deployment, number) if deployment in self._deployments:
                self._deployments[deployment].front_switched(front, number)
            case control.Released(deployment, number) if deployment in self._deployments:
                self._deployments[deployment].front_released(front, number)
            case Asked():
                self._verbs.ask(front, message)
            case control.Weights() | control.Record():
                self._fronts.tell_all(message)
            case control.Hung(path):
                self._deployments.kill_hung(path)
            case Unservable(part, reason) if self._lifecycle.is_required(part) and front in self._fronts.slots:
                self._give_up(reason)
            case _:
                self._lifecycle.front_says(front, message)

    def reap(self) -> None:
        """Let go of those that have ended, and have them started again where they are needed."""
        if os.getpid() == _INIT:
            machine.reap_orphans({slot.process.pid for slot in self.all if slot.process is not None})
        for slot in self.all:
            if (status := slot.ended()) is None:
                continue
            while slot.has_more:
                self.hear(slot)  # last words
            slot.hang_up()
            slot.process = None
            slot.is_ready = False
            if not isinstance(slot, Engine):
                self._deployments.front_is_gone(slot)
                self._lifecycle.front_is_gone(slot)
                if self._fronts.ended(slot, status):
                    self._deployments.close_unneeded()
                    continue
            elif slot.is_ending:
                self._deployments.of(slot).ended(slot)
                if self._deployments.forget_ended():
                    self._lifecycle.engines_ended()
                continue
            elif self._deployments.of(slot).engine_died(slot, status):
                continue
            if slot in self.wanted:
                self._replace(slot, status)

    def _replace(self, slot: Slot, status: int) -> None:
        slot.false_starts += not slot.was_ready
        if not slot.was_ready and (status == EXIT_CANNOT_START or slot.false_starts >= _FALSE_STARTS):
            reason = slot.failure or f"{slot.title} cannot start: it ended with {shown(status)}"
            if not isinstance(slot, Engine) or not self._can_do_without(self._deployments.of(slot), reason):
                self._give_up(reason)
            return
        self._counters.count(RESTARTS, kind=slot.title.partition(" ")[0]).add()
        logger.error("%s ended (%s); it is started again", slot.title, slot.rest(status))

    def _can_do_without(self, deployment: Deployment, reason: str) -> bool:
        """What cannot be loaded is refused, if the server answers without it."""
        if self._fronts.refuse_coming(deployment.fronts, reason):
            deployment.refuse(reason)
            return True
        return self._lifecycle.refused(deployment, reason)
