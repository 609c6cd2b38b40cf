"""Requests that belong together, as in Triton's sequence batching: one instance answers all of a sequence, in order.

Which instance that is is settled by the request that starts it. It is forgotten by the one that ends it, after a time
in which nobody asks, and with the process: what comes then without a start is refused, for what came before is lost.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from paddle_serving_app.signature import Arranged, Input
from paddle_serving_app.triton.config import SequenceBatching, SequenceControl, TritonModelConfig
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadInput, Busy, EngineLost
from paddle_serving_client.message import Array
from paddle_serving_server.engine import batch
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.wrapper import Wrapper

SequenceId: TypeAlias = int | str
_MOST: Final = 65_536
"""Sequences that are under way at once, where the config does not say how many."""
_START, _END, _ID = "sequence_start", "sequence_end", "sequence_id"


@dataclass(frozen=True, slots=True)
class Place:
    """Of a request in its sequence."""

    id: SequenceId
    starts: bool
    ends: bool


@dataclass(slots=True)
class _Running:
    """A sequence that is under way."""

    context: Context
    """Of the request that started it: it knows the instance as soon as that is asked."""
    version: str
    process: int = 0
    """Which one of the instance's: it may have been started again since. 0: not known until the start is answered."""
    used: float = 0.0


def place_of(parameters: Mapping[str, Any], model: str) -> Place:
    """Where a request belongs, by its parameters.

    Raises:
        BadInput: it says no sequence, or says it in a way that cannot be.
    """
    found = parameters.get(_ID, 0)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise BadInput(f"{_ID} is a whole number or a text, got {found!r}")
    if not found:
        raise BadInput(f"inference request to model '{model}' must specify a non-zero or non-empty correlation ID")
    flags = [parameters.get(name, False) for name in (_START, _END)]
    for name, flag in zip((_START, _END), flags, strict=True):
        if not isinstance(flag, bool):
            raise BadInput(f"{name} is true or false, got {flag!r}")
    return Place(found, *flags)


class SequencedEngine(Wrapper):
    """An engine that gives all requests of a sequence to one instance."""

    def __init__(self, engine: Engine, about: SequenceBatching, model: str, has_rows: bool) -> None:
        """`has_rows` says whether axis 0 of tensors is the batch."""
        super().__init__(engine)
        self._model = model
        self._has_rows = has_rows
        self._idle_s = about.max_idle_us / 1e6
        self._most = about.max_candidate_sequences or _MOST
        self._running: OrderedDict[SequenceId, _Running] = OrderedDict()
        """Those that were asked last stand last."""

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`.

        Raises:
            BadInput: the sequence was not started, or was forgotten. Busy: too many are under way.
        """
        if context.goes_on or context.instance is not None:
            return await self.inner.run(arranged, outputs, context)
        place = place_of(context.parameters, self._model)
        self._refuse_rows(arranged, context)
        self._forget_idle()
        running = self._start(place.id, context) if place.starts else self._found(place.id)
        context.instance, process = running.context.instance, running.process
        is_answered = False
        try:
            reply = await self.inner.run(arranged, outputs, context)
            is_answered = True
        finally:
            if place.ends or (place.starts and not is_answered):
                self._forget(place.id, running)
        if process and running.context.instance.process != process:
            self._forget(place.id, running)
            raise EngineLost(f"the process that had sequence {_said(place.id)} of model '{self._model}' has died")
        running.process = running.context.instance.process
        return reply

    def _refuse_rows(self, arranged: Arranged, context: Context) -> None:
        rows = context.rows or (batch.rows_of([array.shape for array in arranged.arrays]) if self._has_rows else 1)
        if rows != 1:
            raise BadInput(
                f"inference request to model '{self._model}' must specify batch-size 1 due to requirements of sequence "
                "batcher"
            )

    def _start(self, name: SequenceId, context: Context) -> _Running:
        if len(self._running) >= self._most and name not in self._running:
            raise Busy(f"{self._most} sequences of model '{self._model}' are under way already; try again later")
        context.stays = True
        self._running.pop(name, None)
        running = self._running[name] = _Running(context, self.inner.version, used=time.monotonic())
        return running

    def _found(self, name: SequenceId) -> _Running:
        running = self._running.get(name)
        if running is None or not self._is_there(running):
            self._running.pop(name, None)
            raise BadInput(
                f"inference request for sequence {_said(name)} to model '{self._model}' must specify the START flag on "
                "the first request of the sequence"
            )
        running.used = time.monotonic()
        self._running.move_to_end(name)
        return running

    def _is_there(self, running: _Running) -> bool:
        """Whether the process that has begun with a sequence still has it."""
        instance = running.context.instance
        if instance is None or running.version != self.inner.version:
            return False
        return not running.process or running.process == instance.process

    def _forget(self, name: SequenceId, running: _Running) -> None:
        if self._running.get(name) is running:
            del self._running[name]

    def _forget_idle(self) -> None:
        before = time.monotonic() - self._idle_s
        while self._running and (first := next(iter(self._running.items())))[1].used < before:
            del self._running[first[0]]


def _said(name: SequenceId) -> str:
    return str(name)[:128]


def around(engine: Engine, config: TritonModelConfig) -> Engine:
    """The engine itself, where its model has nothing to do with sequences."""
    if config.sequence_batching is None:
        return engine
    return SequencedEngine(engine, config.sequence_batching, config.name, config.max_batch_size > 0)


# -- what a model is told of a sequence


def controls(config: TritonModelConfig, parameters: Mapping[str, Any], inputs: Mapping[str, Input]) -> dict[str, Array]:
    """The inputs that the server fills in, by name.

    Args:
        config: of the model.
        parameters: of a request.
        inputs: what the model says of these inputs; those that it says nothing of have one value.

    Raises:
        BadInput: the request says no sequence, or one that the model cannot be told.
    """
    about = config.sequence_batching
    if about is None or not about.controls:
        return {}
    place = place_of(parameters, config.name)
    one = (1, 1) if config.max_batch_size else (1,)
    found: dict[str, Array] = {}
    for control in about.controls:
        spec = inputs.get(control.input_name)
        shape = one if spec is None else tuple(1 if length == -1 else length for length in spec.shape)
        found[control.input_name] = _control(control, place, shape)
    return found


def _control(control: SequenceControl, place: Place, shape: tuple[int, ...]) -> Array:
    if control.kind == "CONTROL_SEQUENCE_CORRID":
        return _id(control, place.id, shape)
    is_so = {
        "CONTROL_SEQUENCE_START": place.starts,
        "CONTROL_SEQUENCE_END": place.ends,
        "CONTROL_SEQUENCE_READY": True,
    }[control.kind]
    assert control.false_true is not None
    return np.full(shape, control.false_true[is_so], _type_of(control))


def _id(control: SequenceControl, name: SequenceId, shape: tuple[int, ...]) -> Array:
    if control.datatype == "BYTES":
        return byte_strings.array_of([str(name).encode()], shape)
    kind = _type_of(control)
    bounds = np.iinfo(kind)
    if not isinstance(name, int) or not bounds.min <= name <= bounds.max:
        raise BadInput(f"{_ID} {_said(name)!r} does not fit in '{control.input_name}', which is {control.datatype}")
    return np.full(shape, name, kind)


def _type_of(control: SequenceControl) -> Any:
    return dtype.numpy_of(dtype.code_of_kserve(control.datatype))
