"""The calls of one connection: what comes of them, and what does not come in time."""

import logging
from collections.abc import Callable

from paddle_serving_client.errors import DeadlineExceeded, ServingError, Stopping, TooLarge
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.protocols.grpc.answering import STOPPING, Answering
from paddle_serving_server.protocols.grpc.frames import LARGEST_WINDOW, Broken, ErrorCode
from paddle_serving_server.protocols.grpc.headers import Head
from paddle_serving_server.protocols.grpc.incoming import Incoming
from paddle_serving_server.protocols.grpc.incoming_stream import IncomingStream
from paddle_serving_server.protocols.grpc.methods import Methods, refusal
from paddle_serving_server.protocols.grpc.open_call import OpenCall
from paddle_serving_server.protocols.grpc.patience import Patience
from paddle_serving_server.protocols.grpc.sending import Sending
from paddle_serving_server.protocols.grpc.services import Bidirectional, ServerStreaming

logger = logging.getLogger(__name__)


class Calls:
    """Those of one connection, by the number of their stream."""

    def __init__(
        self,
        flow: Flow,
        methods: Methods,
        limits: Limits,
        sending: Sending,
        control_bytes: Patience,
        on_over: Callable[[], None],
    ) -> None:
        """Have none.

        Args:
            flow: of the connection.
            methods: answer them.
            limits: of the server.
            sending: the way back.
            control_bytes: what an answered call gives something back to.
            on_over: told when the work on one is over.
        """
        self._flow = flow
        self._methods = methods
        self._limits = limits
        self._sending = sending
        self._answering = Answering(flow, methods, sending, control_bytes, on_over)
        self._open = self._answering.calls

    def __len__(self) -> int:
        return len(self._open)

    @property
    def are_idle(self) -> bool:
        """Whether nothing is worked on."""
        return not any(call.is_in_work for call in self._open.values())

    # -- what came

    def open(self, number: int, head: Head, is_whole: bool) -> None:
        """The headers of a call came; `is_whole`: and nothing more comes."""
        if head.malformed:
            logger.info("refused a call: %s", head.malformed)
            self._sending.reset(number, ErrorCode.PROTOCOL_ERROR)
        elif head.http_status:
            self._sending.http(number, head.http_status, is_whole)
        elif head.too_large:
            call = self._opened(number, head)
            call.incoming.is_whole = is_whole
            self._answering.end(call, refusal(TooLarge(head.too_large)))
        else:
            call = self._opened(number, head)
            if call.stream is not None:
                self._answering.begin(call)
            if is_whole:
                self._close(call)

    def add(self, number: int, counted: int, data: memoryview, is_end: bool) -> bool:
        """A piece of a call's messages came; false where there is no such call.

        Args:
            number: of the call.
            counted: what it takes of the window, padding included.
            data: without that.
            is_end: whether nothing more comes.

        Raises:
            Broken: it is more than the window lets come.
        """
        call = self._open.get(number)
        if call is None:
            return False
        if call.incoming.is_whole:
            self._sending.reset(number, ErrorCode.STREAM_CLOSED)
            self._answering.forget(call)
            return True
        call.room -= counted
        if call.room < 0:
            raise Broken(ErrorCode.FLOW_CONTROL_ERROR, "a call sends more than its window lets come")
        if is_end and (piece := call.incoming.at_once(data)) is not None:
            self._answering.begin_at_once(call, piece)
            return True
        if counted > len(data) and not is_end:  # padding takes of the window, but is no message
            self._sending.widen(call, counted - len(data))
        try:
            call.incoming.add(data)
        except ServingError as exc:
            self._answering.end(call, refusal(exc))
            return True
        if is_end:
            self._close(call)
        return True

    def close(self, number: int) -> bool:
        """Nothing more comes of a call; false where there is none."""
        call = self._open.get(number)
        if call is not None and not call.incoming.is_whole:
            self._close(call)
        return call is not None

    def _close(self, call: OpenCall) -> None:
        try:
            call.incoming.close()
        except ServingError as exc:
            self._answering.end(call, refusal(exc))
            return
        if call.stream is None:
            self._answering.begin_at_once(call, call.incoming.take())

    def reset(self, number: int) -> bool:
        """The peer has no use for a call any more; false when he does that too often."""
        if (call := self._open.get(number)) is not None:
            self._answering.forget(call)
        return self._answering.resets.spend(1)

    def open_window(self, number: int, size: int) -> None:
        """The peer takes more of a call's answer."""
        call = self._open.get(number)
        if call is None:
            return
        call.window += size
        if not size or call.window > LARGEST_WINDOW:
            code = ErrorCode.FLOW_CONTROL_ERROR if size else ErrorCode.PROTOCOL_ERROR
            self._sending.reset(number, code)
            self._answering.forget(call)
        call.wake()

    def wake(self) -> None:
        """The peer takes more of all answers."""
        for call in self._open.values():
            call.wake()

    def change_windows(self, first: int) -> None:
        """Calls begin with another window of the peer's, and those that have begun are changed by as much.

        Raises:
            Broken: more than there can be.
        """
        change, self._sending.first_window = first - self._sending.first_window, first
        for call in self._open.values():
            call.window += change
            if call.window > LARGEST_WINDOW:
                raise Broken(ErrorCode.FLOW_CONTROL_ERROR, "the window of a call is opened too far")
        self.wake()

    def reset_unread(self, number: int, code: ErrorCode) -> None:
        """What came of a call cannot be."""
        if (call := self._open.get(number)) is not None:
            self._sending.reset(number, code)
            self._answering.forget(call)

    # -- what did not come

    def expire(self, now: float, halves_until: float) -> None:
        """End those whose messages do not come in, those of the time before by then, and answers that are not taken."""
        for call in list(self._open.values()):
            is_half = not call.is_in_work and not call.incoming.is_whole
            if call.incoming.late_at < now or (is_half and halves_until < now):
                self.fail(call.number, DeadlineExceeded("the message did not arrive in time"))
            elif call.blocked is not None and now - call.blocked_since > self._limits.stall_s:
                self._sending.reset(call.number, ErrorCode.CANCEL)
                self._answering.forget(call)

    def stop(self) -> None:
        """No more calls come; those that would not end by themselves are ended."""
        for call in list(self._open.values()):
            if call.stream is not None:
                call.stream.fail(Stopping(STOPPING))
            elif isinstance(call.kind, ServerStreaming) and call.kind.is_endless and call.task is not None:
                call.is_stopping = True
                call.task.cancel()

    def forget(self, only_halves: bool = False) -> None:
        """Nobody waits for them; `only_halves`: for those of which more was to come."""
        for call in list(self._open.values()):
            if not (only_halves and call.incoming.is_whole):
                self._answering.forget(call)

    # -- from the messages of a call

    def widen(self, number: int, size: int) -> None:
        """See `incoming.Owner`."""
        if (call := self._open.get(number)) is not None:
            self._sending.widen(call, size)

    def fail(self, number: int, error: ServingError) -> None:
        """See `incoming.Owner`."""
        call = self._open[number]
        if call.stream is not None:
            call.stream.fail(error)
        else:
            self._answering.end(call, refusal(error))

    def _opened(self, number: int, head: Head) -> OpenCall:
        """A call of which only the headers are there."""
        kind = self._methods.kind(head.path)
        call = self._open[number] = OpenCall(number, head, self._sending.first_window, kind)
        of = IncomingStream if isinstance(kind, Bidirectional) else Incoming
        call.incoming = of(self._flow, self._limits, self, number)
        return call
