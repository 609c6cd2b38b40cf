"""What is done in all fronts of a server at once, asked for in one of them."""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from paddle_serving_client.errors import Busy, NoMethod
from paddle_serving_server.counting import recording
from paddle_serving_server.engine.variants import VariantsEngine
from paddle_serving_server.process.control import Record, Weights
from paddle_serving_server.process.line import Line


class Fronts:
    """All of them, as one sees them."""

    def __init__(self, line: Line | None = None, count: int = 1) -> None:
        """They hear of each other by way of `line`; without one there is this one alone."""
        self._line = line
        self.count = count

    def set_weights(self, service: str, variants: VariantsEngine, weights: Mapping[str, object]) -> None:
        """Change the weights of a service's variants here, and, by way of the supervisor, in every front.

        Raises:
            BadConfig: they are no weights.
        """
        variants.set_weights(weights)
        if self._line is not None:
            self._line.tell(Weights(service, variants.weights))

    @contextlib.asynccontextmanager
    async def recorded(self, seconds: float) -> AsyncIterator[Path]:
        """What all fronts see of their requests from now on, as files in a folder inside the `async with`.

        Raises:
            NoMethod: nothing is recorded in this server. Busy: somebody records already.
        """
        if self._line is None:
            raise NoMethod("this server does not record")
        if recording.now is not None:
            raise Busy("somebody records already; try again when that is over")
        with tempfile.TemporaryDirectory(prefix="paddle-serving-trace-") as folder:
            until = time.monotonic() + seconds
            self._line.tell(Record(folder, until))
            await recording.written(Path(folder), until, self.count)
            yield Path(folder)
