"""The results of handlers that come in parts, in the engine. A front asks for each part, so that none is made ahead."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from paddle_serving_app.handler import Failure, Stream
from paddle_serving_client.errors import BackendFailed
from paddle_serving_server.engine import handler_packets
from paddle_serving_server.engine.front_line import FrontLine

_MOST: Final = 1024
"""Streams that may be open."""


class Streams:
    """Those that are not over. All but `gone` is for the main thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called, in any thread, when a stream may have a part that it had not."""
        self._wake = wake
        self._open: dict[int, tuple[FrontLine, Iterator[Any] | Stream]] = {}
        self._numbers = itertools.count(1)
        self._taken: dict[int, Mapping[str, Any]] = {}
        """Of streams that are made elsewhere: parts that were taken to see whether there is one."""

    def begin(self, front: FrontLine, parts: Iterator[Any] | Stream) -> dict[str, Any]:
        """A result for a front that comes in parts: what that is told of it.

        Raises:
            BackendFailed: too many are open.
        """
        if len(self._open) >= _MOST:
            raise BackendFailed(f"{_MOST} results that come in parts are open already")
        number = next(self._numbers)
        self._open[number] = front, parts
        if not isinstance(parts, Iterator):
            parts.on_part(self._wake)
        return handler_packets.stream_begun(number)

    def is_due(self, number: int) -> bool:
        """Whether its next part can be given, or made, now."""
        _, stream = self._open.get(number, (None, None))
        if stream is None or isinstance(stream, Iterator) or number in self._taken:
            return True
        try:
            is_there, part = stream.take()
        except StopIteration:
            self._taken[number] = handler_packets.END
        except Failure as exc:
            self._taken[number] = handler_packets.failure(exc)
        else:
            if is_there:
                self._taken[number] = handler_packets.result(part)
        return number in self._taken

    def go_on(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        """The next part, or the end."""
        number = call["stream"]
        if number not in self._open:
            return handler_packets.END
        if call["closes"]:
            self._close(number)
            return handler_packets.END
        try:
            packet = self._next(number)
        except BaseException:
            self._close(number)
            raise
        if "value" not in packet:
            self._close(number)
        return packet

    def drop_gone(self) -> None:
        """End those of fronts that have closed their lines."""
        for number in [number for number, (front, _) in self._open.items() if not front.is_open]:
            self._close(number)

    def _next(self, number: int) -> Mapping[str, Any]:
        if number in self._taken:
            return self._taken.pop(number)
        stream = self._open[number][1]
        assert isinstance(stream, Iterator)
        try:
            return handler_packets.result(next(stream))
        except StopIteration:
            return handler_packets.END
        except Failure as exc:
            return handler_packets.failure(exc)

    def _close(self, number: int) -> None:
        _, stream = self._open.pop(number)
        self._taken.pop(number, None)
        if (close := getattr(stream, "close", None)) is not None:
            close()
