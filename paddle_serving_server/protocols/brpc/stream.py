"""baidu_std: the frames that brpc clients send. Requests of one connection are answered as they are done."""

import asyncio
import logging
import time
from collections.abc import Mapping

from paddle_serving_client.errors import BadPacket, Busy, ServingError, TooLarge
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import Compression
from paddle_serving_server.connection.flow import Flow, write_due, write_soon
from paddle_serving_server.connection.intake import NO_ROOM, Claim
from paddle_serving_server.connection.pace import HALF_S, Pace
from paddle_serving_server.dataplane import general_model_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.general_model_calls import check_names
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.recalled_calls import RecalledCalls
from paddle_serving_server.protocols.brpc.codes import code_of
from paddle_serving_server.protocols.brpc.small_call import SmallCall
from paddle_serving_server.services.compression import gzipped

logger = logging.getLogger(__name__)

MAX_IN_WORK = 16
"""Requests of one connection that may be in work; beyond, nothing more is read from it."""
_JOINED_BYTES = 64 << 10
"""Answers up to this are copied behind their head."""
_IN_WORK = "in work"
_ROOM = "room"


class BrpcStream:
    """One connection."""

    def __init__(
        self, transport: asyncio.Transport, flow: Flow, plane: DataPlane, recalled: Mapping[str, RecalledCalls]
    ) -> None:
        self.transport = transport
        self._limits = limits = plane.limits
        self.deadline = time.monotonic() + limits.head_s
        self._flow = flow
        self._plane = plane
        self._recalled = recalled
        self._reader = brpc.FrameReader(limits.max_body_bytes, memory=self._ask_for_memory)
        self._claim: Claim | None = None
        """The memory of a large frame that is coming, or that waits for memory."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_lane = 0
        """Calls that a lane answers."""
        self._pace = Pace(limits.stall_s)
        """Of the frame that comes."""
        self._draining = False
        self._last_frames = False
        """Whether nothing more comes: half a frame will never be whole."""
        self._deaf = False

    @property
    def is_idle(self) -> bool:
        """Whether every request is answered."""
        return not self._in_work

    @property
    def is_between(self) -> bool:
        """Whether it is idle, and nothing further has begun to come."""
        return not self._in_work and not self._reader.buffered_bytes

    @property
    def _in_work(self) -> int:
        return len(self._tasks) + self._in_lane

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._deaf:
            return
        self._came(len(data))
        self._reader.feed(data)
        self._take_frames()

    def _came(self, count: int) -> None:
        if not self._reader.buffered_bytes or self._in_work:  # a frame begins, or nobody read on for a while
            self._pace.start()
        self._pace.came(count)
        if self._claim is not None:
            self._claim.came += count

    def room(self) -> memoryview | None:
        """Where the rest of a large frame is to be received."""
        return None if self._deaf else self._reader.room()

    def filled(self, count: int) -> None:
        """So many bytes were received into `room`."""
        self._came(count)
        self._reader.filled(count)
        self._take_frames()

    def _take_frames(self) -> None:
        while not self._deaf and self._in_work < MAX_IN_WORK:
            try:
                frame = self._reader.next()
            except brpc.BadFrame as exc:
                self._drop_claim()
                self._send_error(exc.correlation_id, exc)
                continue
            except (BadPacket, TooLarge) as exc:
                logger.info("refused a connection: %s", exc)
                self._refuse_the_rest()
                return
            if frame is None:
                break
            self._drop_claim()
            self._pace.start()
            if not self._take_lane(frame):
                self.start(frame)
        if self._in_work >= MAX_IN_WORK:
            self._flow.hold(_IN_WORK)
        else:
            self._flow.release(_IN_WORK)
        waits_until = self._pace.deadline if self._reader.buffered_bytes else time.monotonic() + self._limits.idle_s
        if self._draining:
            waits_until = min(waits_until, time.monotonic() + HALF_S)
        self.deadline = float("inf") if self._in_work or self._waits_for_memory else waits_until

    # -- memory for large frames

    @property
    def _waits_for_memory(self) -> bool:
        return self._claim is not None and self._claim.memory is None

    def _ask_for_memory(self, size: int) -> memoryview | None:
        intake = self._flow.intake
        self._claim = intake.ask(self._flow.peer, size, self._on_room, self._on_no_room, self._refuse_the_rest)
        if self._claim.memory is None:
            self._flow.hold(_ROOM)
        return self._claim.memory

    def _on_room(self) -> None:
        assert self._claim is not None and self._claim.memory is not None
        self._reader.move_to(self._claim.memory)
        self._pace.start()
        self._flow.release(_ROOM)
        self._take_frames()

    def _on_no_room(self) -> None:
        number = self._reader.awaited()
        if number is not None:
            self._send_error(number, Busy(NO_ROOM))
        self._refuse_the_rest()

    def _drop_claim(self) -> None:
        if self._claim is not None:
            self._claim.drop()
            self._claim = None

    def _refuse_the_rest(self) -> None:
        """What else comes cannot be read: close when what came before is answered."""
        self._drop_claim()
        self._reader.forget()
        self._deaf = True
        self._flow.release(_ROOM)
        self._close_when_idle()

    def _take_lane(self, frame: brpc.Frame) -> bool:
        """Have a small call that is like an earlier one answered without a task; whether it is one."""
        if frame.meta.compress_type or not self._flow.is_writable:
            return False
        request = frame.meta.request
        of, slash, name = request.service_name.partition("/")
        if slash and not name:
            return False
        service = name or self._service_name
        if (lane := self._plane.try_now(service)) is None or (of, request.method_name) not in general_model_calls.CALLS:
            return False
        if (call := self._recalled[service].find(frame.payload, lane)) is None:
            return False
        self._in_lane += 1
        now = time.monotonic()
        call.submit(frame.payload, SmallCall(self, frame, call, service, now), now + self._limits.request_s)
        return True

    @property
    def plane(self) -> DataPlane:
        """Who answers."""
        return self._plane

    @property
    def _service_name(self) -> str:
        return self._plane.catalogue.tensor_service_name

    def leave_lane(self) -> None:
        """A call is not in its lane any more."""
        self._in_lane -= 1

    def start(self, frame: brpc.Frame) -> None:
        """Have any call answered by a task of its own."""
        task = asyncio.get_running_loop().create_task(self._answer(frame))
        self._tasks.add(task)
        task.add_done_callback(self._answered)

    async def _answer(self, frame: brpc.Frame) -> None:
        call = self._plane.call("brpc", f"log_id={frame.meta.request.log_id}", time.monotonic(), len(frame.payload))
        call.service = self._service_name
        try:
            answer, compression = await self._plane.answer(call, self._answer_to(frame, call), _size)
            self.write(frame, answer, compression)
        except ServingError as exc:
            self.refuse(frame, exc)

    async def _answer_to(self, frame: brpc.Frame, call: Call) -> tuple[bytes, Compression]:
        await self._flow.writable()
        meta = frame.meta
        name = check_names(meta.request.service_name, meta.request.method_name)
        payload = brpc.decompress(meta.compress_type, frame.payload, self._limits.max_body_bytes)
        answer = await general_model_calls.answer(self._plane, call, payload, name=name)
        # The original always compressed; that costs more than it saves unless a caller shows that bytes are dear.
        if meta.compress_type and (packed := await gzipped(answer)) is not None:
            return packed, Compression.GZIP
        return answer, Compression.NONE

    def refuse(self, frame: brpc.Frame, error: ServingError) -> None:
        """Answer a call with an error."""
        self._send_error(frame.meta.correlation_id, error)

    def write(self, frame: brpc.Frame, answer: bytes, compression: int = Compression.NONE) -> None:
        """Answer a call."""
        head = brpc.response_head(frame.meta.correlation_id, len(answer), compression)
        if self.transport.is_closing():
            return
        if len(answer) <= _JOINED_BYTES:
            write_soon(self.transport, head + answer)  # one call of the system, one packet
        else:
            self.transport.write(head)
            self.transport.write(answer)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.move_on()

    def move_on(self) -> None:
        """One call is out of work: begin the next, or end."""
        if not self.transport.is_closing():
            self._take_frames()
        if self._draining or self._deaf:
            self._close_when_idle()

    def _send_error(self, correlation_id: int, error: ServingError) -> None:
        code = code_of(error)
        self.transport.write(brpc.error_frame(correlation_id, code, f"[E{int(code)}]{error}"))

    def expire(self) -> None:
        """The peer said nothing for too long, or stopped in the middle of a frame."""
        self.transport.close()

    def drain(self, peer_is_done: bool = False) -> None:
        """Close when what was accepted is answered."""
        self._draining = True
        self._last_frames = peer_is_done
        self.deadline = min(self.deadline, time.monotonic() + HALF_S) if not self._in_work else self.deadline
        self._close_when_idle()

    def sound(self) -> None:
        """There is nothing that could be said before an answer."""

    def connection_lost(self) -> None:
        """The peer is gone: nobody waits for the answers."""
        self._deaf = True
        self._drop_claim()
        self._reader.forget()
        for task in self._tasks:
            task.cancel()

    def _close_when_idle(self) -> None:
        if not self._in_work and (self._deaf or self._last_frames or not self._reader.buffered_bytes):
            write_due()
            self.transport.close()


def _size(answer: tuple[bytes, Compression]) -> int:
    return len(answer[0])
