"""The fronts of a server: started, told what one of them has changed, and announced when all of them answer.

Where the code of services has changed, each front is replaced by one with the new code, one after the other:

    changed ──> coming (loads the new code) ──> takes its place; the old one finishes what it has, and ends
                  └──> refused, with the reason: the old ones go on

A front that comes accepts only when it can answer everything.
"""

import logging
import selectors
import socket
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from paddle_serving_app.exit_status import shown
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.process.control import CodeReport, Drain, Record, Weights
from paddle_serving_server.supervisor import addresses
from paddle_serving_server.supervisor.child import Slot

logger = logging.getLogger(__name__)

_MODULE: Final = "paddle_serving_server.front.process"
_EXTRA_GRACE_S: Final = 2.0
_OUTDATED: Final = "the code has changed once more"
"""Why a front that comes is ended before it is there."""


class Fronts:
    """All of them."""

    def __init__(self, config: ServerConfig, listening: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
        """`on_ready` is called once, when all of them answer."""
        self._config = replace(config, models=())  # fronts are told of those
        self._listening = listening
        self._on_ready = on_ready
        self._announced = False
        self._weights: dict[str, Weights] = {}
        """Of the variants of a service, as a front has last changed them."""
        self.slots: list[Slot] = []
        """Those that are to be there."""
        self._coming: Slot | None = None
        self._place = 0
        """Of the one that comes."""
        self._old: list[int] = []
        """The places of those whose code is not the newest."""
        self._leaving: list[Slot] = []
        self._report: Mapping[str, str] = {}
        self._changed_early = ""
        """Files that changed before all of them answered."""

    @property
    def all(self) -> list[Slot]:
        """Those that are to be there, the one that comes, those that leave."""
        return [*self.slots, *([] if self._coming is None else [self._coming]), *self._leaving]

    @property
    def are_there(self) -> bool:
        """Whether one of them runs."""
        return any(slot.process for slot in self.all)

    @property
    def next_moment(self) -> float:
        """When `on_time` has something to do."""
        return min((slot.kill_at for slot in self.all), default=float("inf"))

    def start(self, selector: selectors.BaseSelector, shared: int) -> None:
        """Start as many as the config says, each with a file descriptor that they share."""
        config = self._config.to_json()
        for k in range(self._config.fronts):
            slot = Slot(f"front {k}", _MODULE, tuple(self._listening), config, selector, (shared,), number=k)
            self.slots.append(slot)
            slot.start()

    # -- new code

    def renew(self, files: str) -> None:
        """The code of services has changed: replace all fronts by others with the code of now."""
        if not self._announced:
            self._changed_early = files
            return
        logger.info("changed: %s", files.replace("\n", ", "))
        self._old = list(range(len(self.slots)))
        self._tell_report("loading", "")
        if self._coming is not None:  # it has read what is old already
            self._coming.failure = _OUTDATED
            self._coming.kill()
        else:
            self._begin_next()

    def serves(self, front: Slot) -> None:
        """A front answers: one that came takes the place of an old one."""
        if front is not self._coming:
            self._announce()
            front.tell(CodeReport(self._report))
            return
        self._coming, front.kill_at = None, float("inf")
        old, self.slots[self._place] = self.slots[self._place], front
        self._leaving.append(old)
        old.is_ending = True
        old.kill_at = time.monotonic() + self._config.grace_s + _EXTRA_GRACE_S
        old.tell(Drain())
        if not self._old:
            self._tell_report("loaded", "")
        self._begin_next()

    def ended(self, front: Slot, status: int) -> bool:
        """The process of a front has ended; whether that is dealt with, so that it is not started again."""
        if front in self._leaving:
            self._leaving.remove(front)
            self._begin_next()
            return True
        if front is not self._coming:
            return False
        self._coming = None
        reason, front.failure = front.failure or f"the process that loaded it ended with {shown(status)}", ""
        if reason != _OUTDATED:
            self._old.clear()
            self._tell_report("refused", reason)
        self._begin_next()
        return True

    def refuse_coming(self, fronts: Set[Slot], reason: str) -> bool:
        """What these need cannot be loaded: if that is the one that comes alone, it is refused, and the others stay."""
        if self._coming is None or fronts != {self._coming}:
            return False
        self._coming.failure = reason
        self._coming.kill()
        return True

    def on_time(self, now: float) -> None:
        """End who takes too long."""
        for slot in self.all:
            if slot.kill_at <= now:
                slot.kill_at = float("inf")
                slot.failure = slot.failure or f"it was not loaded in {self._config.load_timeout_s:g} s"
                slot.kill()

    def _begin_next(self) -> None:
        """Have the next old one replaced, unless too many are about to leave."""
        if not self._old or self._coming is not None or len(self._leaving) >= len(self.slots):
            return
        self._place = self._old.pop(0)
        old = self.slots[self._place]
        config = self._later_config
        self._coming = Slot(old.title, _MODULE, old.listening, config, old.selector, old.shared, number=old.number)
        self._coming.kill_at = time.monotonic() + self._config.load_timeout_s
        self._coming.start()

    @property
    def _later_config(self) -> str:
        """Of a front that comes when others have answered already."""
        return replace(self._config, has_served=True).to_json()

    def _tell_report(self, state: str, reason: str) -> None:
        self._report = {"state": state, "reason": reason, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        if state == "refused":
            logger.error("the changed code of the services is refused, the old one stays: %s", reason)
        elif state == "loaded":
            logger.info("the services have the changed code")
        for slot in self.slots:
            slot.tell(CodeReport(self._report))

    # -- all of them

    def greet(self, front: Slot) -> None:
        """A front that makes a model learns how its variants were weighed last."""
        for weights in self._weights.values():
            front.tell(weights)

    def tell_all(self, message: Weights | Record) -> None:
        """One of them wants all to know."""
        if isinstance(message, Weights):
            self._weights[message.service] = message
        for slot in self.slots:
            slot.tell(message)

    def _announce(self) -> None:
        """Say once, to people and scripts, that all of them answer."""
        if self._announced or not all(slot.is_ready for slot in self.slots):
            return
        self._announced = True
        for slot in self.slots:
            slot.config = self._later_config
        print("C++ Serving service started successfully!", flush=True)  # noqa: T201  # scripts wait for this line
        ports = ", ".join(map(str, (self._config.port, *self._config.extra_ports)))
        logger.info("serving on %s port %s", self._config.host, ports)
        for address in self._config.listen:
            logger.info("serving on %s", address)
        if any(not addresses.is_loopback(sock) for sock in self._listening):
            logger.info("everybody who reaches this machine may ask: there are no keys; see --host")
        self._on_ready()
        if self._changed_early:
            self.renew(self._changed_early)
