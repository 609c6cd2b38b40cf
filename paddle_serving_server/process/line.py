"""A front's end of the line to the supervisor: what is told, and what is asked and answered."""

import asyncio
import itertools
import logging
import socket
from collections.abc import Callable

from paddle_serving_client.errors import Stopping
from paddle_serving_server.process import control
from paddle_serving_server.process.message import Message
from paddle_serving_server.process.registry_messages import Answered, Asked

logger = logging.getLogger(__name__)


class Line:
    """Of one front."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._questions = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Answered]] = {}
        self._is_closed = False

    def tell(self, message: Message) -> None:
        """Send one message, if the supervisor is still there.

        Raises:
            BadPacket: it is too large.
        """
        try:
            control.send(self._socket, message)
        except OSError as exc:
            logger.debug("the supervisor does not listen: %s", exc)

    async def ask(self, question: Callable[[int], Asked]) -> Answered:
        """Ask for a change, and wait for what becomes of it.

        Args:
            question: makes the message, from the number that the answer comes with.

        Raises:
            Stopping: the server stops before it is answered.
        """
        if self._is_closed:
            raise Stopping("the server is stopping")
        number = next(self._questions)
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self.tell(question(number))
            return await future
        finally:
            del self._asked[number]

    def answered(self, message: Answered) -> None:
        """The supervisor has answered; who has asked may have gone."""
        future = self._asked.get(message.question)
        if future is not None and not future.done():
            future.set_result(message)

    def close(self) -> None:
        """No more answers come: those who wait are told."""
        self._is_closed = True
        for future in self._asked.values():
            if not future.done():
                future.set_exception(Stopping("the server is stopping"))
