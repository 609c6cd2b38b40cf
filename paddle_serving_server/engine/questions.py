"""What user code in an engine asks other services of its server, by way of the front that gave it a request."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from paddle_serving_client import errors
from paddle_serving_client.errors import Busy, NoMethod, ServingError
from paddle_serving_client.message import Array
from paddle_serving_server.engine import messages, segments, values
from paddle_serving_server.engine.context import Ask, Context
from paddle_serving_server.engine.outbox import Outbox
from paddle_serving_server.engine.pending import Pending

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 256
"""Of one engine and one front."""


class Questions:
    """Of one line."""

    def __init__(self, ask: Ask | None, out: Outbox, loop: asyncio.AbstractEventLoop, asker: object) -> None:
        """`ask` answers; `asker` is what runs of the engine that asks are given to."""
        self._ask = ask
        self._asker = asker
        self._out = out
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, number: int, packet: bytes, fds: Sequence[int], pending: Mapping[int, Pending]) -> None:
        """Answer a question as soon as its answer is known.

        Args:
            number: of the question.
            packet, fds: the message, and what rode along.
            pending: the requests that the engine works on, by their numbers.
        """
        question = values.of_arrays(received(packet, fds))
        asking = pending.get(question.pop("for"))
        of = Context() if asking is None else asking.context
        askers = (*of.askers, self._asker) if question.pop("stands_still") else of.askers
        context = Context(of.deadline, log_id=of.log_id, askers=askers)
        task = self._loop.create_task(self._answer(number, question, context, of.ask or self._ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self) -> None:
        """Nobody waits for the answers any more."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, number: int, question: Mapping[str, Any], context: Context, ask: Ask | None) -> None:
        try:
            if ask is None:
                raise NoMethod("user code cannot ask other services here")
            if len(self._tasks) > MOST_AT_ONCE:
                raise Busy(f"user code asks {MOST_AT_ONCE} things at once already")
            answer: dict[str, Any] = {"value": await ask(question, context)}
            arrays = values.to_arrays(answer)
        except ServingError as exc:
            arrays = values.to_arrays({"error": [type(exc).__name__, str(exc)]})
        except Exception:
            logger.exception("a question of user code was not answered")
            arrays = values.to_arrays({"error": ["ServingError", "internal error"]})
        packet, fd = carrier(messages.TOLD, number, arrays)
        self._out.send(packet, fd, gives=True)


def carrier(kind: int, number: int, arrays: Sequence[Array]) -> tuple[bytes, int | None]:
    """An ASK or TOLD packet; where the values are many, a descriptor of their memory, which the caller closes."""
    offsets, end = segments.layout(arrays)
    if end <= messages.INLINE_BYTES:
        return messages.carried(kind, number, messages.INLINE, 0, arrays, offsets), None
    enclosed = segments.create(0, end)
    segments.write(enclosed.memory, arrays, offsets)
    return messages.carried(kind, number, messages.ENCLOSED, end, arrays, offsets), enclosed.fd


def received(packet: bytes, fds: Sequence[int]) -> list[Array]:
    """The arrays of an ASK or TOLD packet."""
    segment, size, layout, inline = messages.read_carried(packet)
    if segment == messages.INLINE:
        return layout.arrays(inline)
    enclosed = segments.attach(0, size, fds[0])
    arrays = layout.arrays(enclosed.memory)
    segments.discard(enclosed)
    return arrays


def error_of(told: Sequence[str]) -> ServingError:
    """The error that the answer to a question says."""
    name, text = told
    kind = getattr(errors, name, ServingError)
    return kind(text) if isinstance(kind, type) and issubclass(kind, ServingError) else ServingError(text)
