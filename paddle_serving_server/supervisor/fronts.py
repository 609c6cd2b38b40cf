"""The fronts of a server: started, told what one of them has changed, and announced when all of them answer."""

import logging
import selectors
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.process.control import Record, Weights
from paddle_serving_server.supervisor import addresses
from paddle_serving_server.supervisor.child import Slot

logger = logging.getLogger(__name__)

_MODULE = "paddle_serving_server.front.process"


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

    @property
    def are_there(self) -> bool:
        """Whether one of them runs."""
        return any(slot.process for slot in self.slots)

    def start(self, selector: selectors.BaseSelector, shared: int) -> None:
        """Start as many as the config says, each with a file descriptor that they share."""
        config = self._config.to_json()
        for k in range(self._config.fronts):
            slot = Slot(f"front {k}", _MODULE, tuple(self._listening), config, selector, (shared,))
            self.slots.append(slot)
            slot.start()

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

    def announce(self) -> None:
        """Say once, to people and scripts, that all of them answer."""
        if self._announced or not all(slot.is_ready for slot in self.slots):
            return
        self._announced = True
        for slot in self.slots:
            slot.config = replace(self._config, has_served=True).to_json()
        print("C++ Serving service started successfully!", flush=True)  # noqa: T201  # scripts wait for this line
        ports = ", ".join(map(str, (self._config.port, *self._config.extra_ports)))
        logger.info("serving on %s port %s", self._config.host, ports)
        for address in self._config.listen:
            logger.info("serving on %s", address)
        if any(not addresses.is_loopback(sock) for sock in self._listening):
            logger.info("everybody who reaches this machine may ask: there are no keys; see --host")
        self._on_ready()
