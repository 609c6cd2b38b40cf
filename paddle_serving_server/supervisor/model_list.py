"""A list of models that somebody else writes: read again and again, and what it says now is served.

A thread of its own: a file on a network may keep whoever reads it waiting, and the supervisor has children to watch.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence

from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.values import ServedModel

logger = logging.getLogger(__name__)


class ModelList:
    """Says on a socket that there is another list."""

    def __init__(
        self, read: Callable[[], Sequence[ServedModel]], interval_s: float, known: Sequence[ServedModel]
    ) -> None:
        """Get ready.

        Args:
            read: gives the list as it is now, or raises a `ServingError` that says what is wrong with it.
            interval_s: how often to ask, in seconds.
            known: what is served already.
        """
        self._read = read
        self._interval_s = interval_s
        self._known = tuple(known)
        self._fault = ""
        self.socket, self._ours = socket.socketpair()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._watch, name="model-list", daemon=True).start()

    def take(self) -> Sequence[ServedModel]:
        """The newest list; what was said on the socket until now is taken, too."""
        self.socket.recv(4096)
        return self._known

    def _watch(self) -> None:
        while True:
            time.sleep(self._interval_s)
            self.look()

    def look(self) -> None:
        """Read it once; what cannot be read changes nothing, and is said once."""
        try:
            models = tuple(self._read())
        except ServingError as exc:
            if str(exc) != self._fault:
                logger.error("the models stay as they are: %s", exc)
            self._fault = str(exc)
            return
        self._fault = ""
        if models != self._known:
            self._known = models
            self._ours.send(b".")
