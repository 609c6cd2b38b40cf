"""Several models as one Engine: what the first gives feeds the second, and so on.

How outputs find inputs is settled once, from the signatures: by name, where every input of the next model has the
name or alias of an output; else by position, where there are as many of both. Types and shapes have to fit. Each feed
on the way is checked in full, as one that came from a caller is.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadConfig, BadInput
from paddle_serving_client.message import Array, Lod
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply


class Chain:
    """Engines, one after the other; two at least.

    Args:
        engines: by name, in order.

    Raises:
        BadConfig: outputs of one do not fit the inputs of the next; the message has both.
    """

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._names = list(engines)
        self._engines = list(engines.values())
        self._signatures: list[Signature] = []
        self._wirings: list[tuple[int, ...]] = []
        self._settled([engine.signature for engine in self._engines])

    @property
    def signature(self) -> Signature:
        """Inputs of the first, outputs of the last."""
        return Signature(self._engines[0].signature.inputs, self._engines[-1].signature.outputs)

    @property
    def backend_name(self) -> str:
        """The libraries of all."""
        return ", ".join(sorted({engine.backend_name for engine in self._engines}))

    @property
    def plan(self) -> Mapping[str, object]:
        """The plan of each."""
        return {name: engine.plan for name, engine in zip(self._names, self._engines, strict=True)}

    @property
    def version(self) -> str:
        """The versions of all."""
        return "/".join(engine.version for engine in self._engines)

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        engines = [engine.held(context) for engine in self._engines]
        wirings = self._settled([engine.signature for engine in engines])
        spent = Reply((), {})
        for k, engine in enumerate(engines[:-1]):
            wanted = tuple(dict.fromkeys(wirings[k]))
            reply = await engine.run(arranged, wanted, context)
            spent = _after(spent, reply)
            taker = engines[k + 1].signature
            feed, lods = _fed(taker, [wanted.index(giver) for giver in wirings[k]], reply)
            if any(array.ndim and array.shape[0] == 0 for array in feed.values()):
                return replace(spent, arrays=_nothing(engines[-1].signature, outputs))
            try:
                arranged = taker.arrange(feed, lods)
            except BadInput as exc:
                names = f"{self._names[k]} gave what {self._names[k + 1]} cannot take"
                raise BackendFailed(f"{names}: {exc}") from exc
        reply = await engines[-1].run(arranged, outputs, context)
        return replace(_after(spent, reply), arrays=reply.arrays, lods=reply.lods)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`."""
        held = copy.copy(self)
        held._engines = [engine.held(context) for engine in self._engines]
        return held

    def _settled(self, now: list[Signature]) -> Sequence[tuple[int, ...]]:
        """How the models feed each other; looked at again when one of them has changed."""
        if now == self._signatures:  # the same objects, mostly: lists look at that first
            return self._wirings
        where = [f"{a} -> {b}" for a, b in zip(self._names, self._names[1:], strict=False)]
        self._wirings = [wiring(a, b, names) for a, b, names in zip(now, now[1:], where, strict=False)]
        self._signatures = now
        return self._wirings

    async def close(self) -> None:
        """Let go of all models."""
        for engine in self._engines:
            await engine.close()


def _after(spent: Reply, reply: Reply) -> Reply:
    """What the models took together; rows are those of the last."""
    return Reply(
        (),
        {},
        queue_ms=spent.queue_ms + reply.queue_ms,
        run_ms=spent.run_ms + reply.run_ms,
        rows=reply.rows,
        batch_ms=spent.batch_ms + reply.batch_ms,
        sent=spent.sent or reply.sent,
    )


def _fed(taker: Signature, given_by: Sequence[int], reply: Reply) -> tuple[dict[str, Array], dict[str, Lod]]:
    """A reply as the inputs of the next model; `given_by` has the array of each."""
    feed: dict[str, Array] = {}
    lods: dict[str, Lod] = {}
    for taken, at in zip(taker.inputs, given_by, strict=True):
        feed[taken.alias] = reply.arrays[at]
        if taken.is_lod and at in reply.lods:
            lods[taken.alias] = reply.lods[at]
    return feed, lods


def _nothing(signature: Signature, outputs: Sequence[int]) -> tuple[Array, ...]:
    """The answer to no rows at all, as of a picture without text: no library runs an empty batch."""
    return tuple(
        np.zeros((0, *(max(0, size) for size in output.shape)), dtype.numpy_of(output.elem_type) or np.float32)
        for output in (signature.outputs[k] for k in outputs)
    )


def wiring(giver: Signature, taker: Signature, where: str) -> tuple[int, ...]:
    """For each input of one model the index of the output of another that feeds it.

    Raises:
        BadConfig: it cannot be; names `where`, and both signatures.
    """
    by_name = {o.name: k for k, o in enumerate(giver.outputs)} | {o.alias: k for k, o in enumerate(giver.outputs)}
    found = [by_name.get(i.alias, by_name.get(i.name)) for i in taker.inputs]
    indices = [k for k in found if k is not None]
    if len(indices) != len(found):
        if indices or len(giver.outputs) != len(taker.inputs):
            raise BadConfig(f"{where}: outputs and inputs have other names, or are not as many; {_both(giver, taker)}")
        indices = list(range(len(found)))
    for taken, k in zip(taker.inputs, indices, strict=True):
        if not _fits(giver.outputs[k], taken):
            given = giver.outputs[k]
            raise BadConfig(
                f"{where}: output {given.alias!r} does not fit input {taken.alias!r}; {_both(giver, taker)}"
            )
    return tuple(indices)


def _fits(given: Output, taken: Input) -> bool:
    """Whether types are equal, and shapes where both are known.

    The shape of an output is what the config says: without the batch axis, and converters leave out what varies. So
    only a shape with all axes says anything; the rest is seen when a request runs.
    """
    types = {given.elem_type, taken.elem_type} - {dtype.UNKNOWN}
    if len(types) > 1:
        return False
    inner = taken.shape[1:]
    if given.is_lod or taken.is_lod or len(given.shape) != len(inner):
        return True
    return all(a == b or -1 in (a, b) for a, b in zip(given.shape, inner, strict=True))


def _both(giver: Signature, taker: Signature) -> str:
    outputs = ", ".join(f"{o.alias} {dtype.name_of(o.elem_type)}{list(o.shape)}" for o in giver.outputs)
    inputs = ", ".join(f"{i.alias} {dtype.name_of(i.elem_type)}{list(i.shape[1:])}" for i in taker.inputs)
    return f"the outputs are {outputs}; the inputs are {inputs}"
