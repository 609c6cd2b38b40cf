"""What a service sees of an engine, wherever the model runs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client.message import Array, Lod, Request, Response, Stage
from paddle_serving_server.engine.context import Context


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine answers."""

    arrays: tuple[Array, ...]
    """In the order of the outputs asked for; they belong to the caller."""
    lods: Mapping[int, Lod]
    """By position in `arrays`."""
    queue_ms: float = 0.0
    run_ms: float = 0.0
    rows: int = 1
    """Rows of the batch that this request was part of; 0: user code has failed, and said why."""
    input_ms: float = 0.0
    output_ms: float = 0.0
    """What of `run_ms` went into joining the requests of the batch, and into splitting its outputs."""
    sent: float = 0.0
    """When it was handed to the engine, on the clock of `time.monotonic`; `queue_ms` counts from there. 0: unknown."""
    is_cached: bool = False
    """Whether it was kept from an equal request; `run_ms` is then how long that took to find out."""
    cache_ms: float = 0.0
    """What a cache took of the time: to look, and to keep what was not there; 0: there is none."""
    stages: tuple[Stage, ...] = ()
    """Of several models, where it took those to answer: then the times above are sums of theirs."""

    @property
    def batch_ms(self) -> float:
        """What of `run_ms` the batch took, and not the model."""
        return self.input_ms + self.output_ms


class Engine(Protocol):
    """One loaded model that answers checked feeds.

    What it says of itself may change between two requests, when a new version of the model goes live: read it when
    it is needed and keep nothing of it. An engine around another engine hands these on as properties.
    """

    @property
    def signature(self) -> Signature:
        """Inputs and outputs. From reading it to calling `run` there must be no `await`, unless it is held."""

    @property
    def backend_name(self) -> str:
        """The inference library that runs it."""

    @property
    def plan(self) -> Mapping[str, object]:
        """As `paddle_serving_app.choosing.plan.Plan.describe` says it; with instances, version and last reload."""

    @property
    def version(self) -> str:
        """Differs whenever other weights may answer; always the same where it is held."""

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """Run the model on one feed.

        Args:
            arranged: a feed that passed `signature.arrange`.
            outputs: indices of the wanted outputs, from `signature.select`.
            context: of the request that this is a run of.

        Raises:
            DeadlineExceeded: no answer by then.
            BackendFailed: the library failed; EngineLost: its process died, twice.
            Busy: too many requests wait.
        """

    def held(self, context: Context) -> "Engine":
        """The same engine for one request, which asks it more than once: one version of the model until it is over.

        Raises:
            BadInput: the request wants a variant that is not there.
            Stopping: there is no model any more.
        """

    async def close(self) -> None:
        """Let go of the model."""


async def answer(engine: Engine, request: Request, context: Context) -> Response:
    """Answer a request that carries tensors: check it in full, run it, and name the outputs by alias."""
    signature = engine.signature
    arranged = signature.arrange(request.tensors or {}, request.lods)
    outputs = signature.select(request.fetch)
    asked = time.monotonic()
    reply = await engine.run(arranged, outputs, context)
    came = time.monotonic()
    return named(signature, outputs, reply, stages_of(reply, asked, came), context)


def named(
    signature: Signature, outputs: Sequence[int], reply: Reply, stages: tuple[Stage, ...], context: Context
) -> Response:
    """A reply with the outputs by alias."""
    aliases = [signature.outputs[k].alias for k in outputs]
    return Response(
        tensors=dict(zip(aliases, reply.arrays, strict=True)),
        lods={aliases[k]: lod for k, lod in reply.lods.items() if signature.outputs[outputs[k]].is_lod},
        stages=stages,
        variant=context.answered_by,
    )


def stages_of(reply: Reply, asked: float, came: float, where: str = "") -> tuple[Stage, ...]:
    """From the moment an engine was asked to the moment its answer was here, without a gap.

    Args:
        reply: of the engine.
        asked, came: those moments, on the clock of `time.monotonic`.
        where: stands before the name of each stage.
    """
    if reply.stages:
        return reply.stages
    if reply.is_cached:
        return (Stage(f"{where}cache", reply.run_ms, asked, came),)
    sent = reply.sent or asked
    started = sent + reply.queue_ms / 1000
    joined = started + reply.batch_ms / 1000
    done = started + reply.run_ms / 1000
    return (
        Stage(f"{where}queue", (started - asked) * 1000, asked, started),
        Stage(f"{where}batch", reply.batch_ms, started, joined, reply.rows),
        Stage(f"{where}infer", reply.run_ms - reply.batch_ms, joined, done),
        Stage(f"{where}transfer", max(0.0, (came - done) * 1000), done, max(done, came)),
    )
