"""A front's end of the line to the supervisor: what is told, and what is asked and answered."""

import asyncio
import itertools
import logging
import socket
from collections import deque
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
        self._unsent: deque[Message] = deque()
        """What waits for the supervisor to have read what came before."""

    def tell(self, message: Message) -> None:
        """Send one message, if the supervisor is still there.

        Raises:
            BadPacket: it is too large.
        """
        if self._unsent:
            self._unsent.append(message)
        elif not self._is_sent(message):
            self._unsent.append(message)
            asyncio.get_running_loop().add_writer(self._socket.fileno(), self._send_rest)

    def _is_sent(self, message: Message) -> bool:
        """Send it now; whether there was room."""
        try:
            control.send(self._socket, message)
        except BlockingIOError:
            return False
        except OSError as exc:
            logger.debug("the supervisor does not listen: %s", exc)
        return True

    def _send_rest(self) -> None:
        while self._unsent and self._is_sent(self._unsent[0]):
            self._unsent.popleft()
        if not self._unsent:
            asyncio.get_running_loop().remove_writer(self._socket.fileno())

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
