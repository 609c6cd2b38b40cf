"""A request that a front has given to an engine, and where its tensors lie meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import ServingError
from paddle_serving_server.engine import messages, segments
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.segments import SegmentPool
from paddle_serving_server.engine.tensor_layout import Strings


@dataclass(slots=True, eq=False)
class Pending:
    """A request whose answer is still out."""

    arranged: Arranged
    """With blocks in the place of byte strings."""
    strings: Strings
    outputs: tuple[int, ...]
    deadline: float
    future: "asyncio.Future[Reply]"
    context: Context
    """Of the request that it is a run of."""
    calls: int = 1
    """How many requests its rows are of."""
    tries: int = 0
    has_begun: bool = False
    """Whether user code is at work on it, which may have had effects already."""
    sent: float = 0.0
    segment: segments.Segment | None = None
    lent: segments.Lent | None = None
    """Where the segment is one that user code has filled: it stays as long as the array, which is in `arranged`."""
    offsets: list[int] = field(default_factory=list)
    end: int = 0

    def place(self, pool: SegmentPool, reply_bytes: int) -> None:
        """Put the tensors where the engine will read them: this is the copy in, unless they were made there.

        Args:
            pool: of the front.
            reply_bytes: of the largest answer seen: there is to be room for it behind them.
        """
        arrays = self.arranged.arrays
        if len(arrays) == 1 and (found := pool.lent(arrays[0])) is not None:
            self.lent, offset = found
            self.lent.is_in_use = True
            self.segment = self.lent.segment
            self.offsets, self.end = [offset], offset + arrays[0].nbytes
            return
        self.offsets, self.end = segments.layout(arrays)
        if self.end <= messages.INLINE_BYTES:
            return
        self.segment = pool.take(segments.aligned(self.end) + reply_bytes)
        segments.write(self.segment.memory, arrays, self.offsets)

    def packet(self, number: int) -> bytes:
        """It as a message."""
        where = messages.INLINE if self.segment is None else self.segment.number
        times = self.sent, self.deadline
        arranged = self.arranged
        return messages.run(
            number, times, where, self.end, self.outputs, arranged.arrays, self.offsets, arranged.lods, self.strings
        )

    def let_go(self, pool: SegmentPool) -> None:
        """Give back where its tensors were."""
        if self.lent is not None:
            self.lent.is_in_use = False
            self.lent = self.segment = None
        elif self.segment is not None:
            pool.give_back(self.segment)
            self.segment = None

    def fail(self, error: ServingError) -> None:
        """There is no answer, for this reason; one that is there counts."""
        if not self.future.done():
            self.future.set_exception(error)

    def reply(self, done: messages.Done, fds: Sequence[int]) -> Reply:
        """What an engine has answered; the arrays belong to the caller.

        Args:
            done: its message.
            fds: what rode along with it.
        """
        layout = done.layout
        if done.segment == messages.INLINE:
            arrays = layout.arrays(done.inline)
        elif done.segment == messages.ENCLOSED:
            enclosed = segments.attach(0, done.size, fds[0])
            arrays = layout.arrays(enclosed.memory)
            segments.discard(enclosed)
        else:
            assert self.segment is not None
            # The copy out: the segment is about to serve another request.
            arrays = [array.copy() for array in layout.arrays(self.segment.memory)]
        timing = done.queue_ms, done.run_ms, done.rows, done.input_ms, done.output_ms
        return Reply(tuple(arrays), layout.lods, *timing, sent=self.sent)
