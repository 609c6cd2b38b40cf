"""A Paddle pipeline as a service."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig, NoMethod
from paddle_serving_client.message import Request, Response
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.settings import ModelSettings
from paddle_serving_server.graph.pipeline import op_packets
from paddle_serving_server.graph.pipeline.ends import usage
from paddle_serving_server.graph.pipeline.op_packets import Origin
from paddle_serving_server.graph.pipeline.pipeline import Pipeline
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code import hosting, source_files
from paddle_serving_server.user_code.admission import Admission, Room
from paddle_serving_server.user_code.threads import Threads

_OP: Final = "op."
"""Stands before the name of an op, where its code is meant and not its model."""


class PipelineService(Service):
    """The ops of a pipeline, which unpack calls of PipelineService themselves."""

    kind = "pipeline"
    is_pipeline = True

    file_input = ""

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        title: str = "",
        example: Mapping[str, object] | None = None,
        file_input: str = "",
    ) -> None:
        """Be called `name`.

        Args:
            name: of the service.
            pipeline: its ops.
            title: one line for people.
            example: texts, and lists of numbers, that it takes, by key.
            file_input: the key whose text is a picture, in base64; empty: none, or none that is known.
        """
        super().__init__(name)
        self.title = title
        self.example = example
        self.file_input = file_input
        self.pipeline = pipeline
        self.takes_raw = pipeline.unpacks_itself

    @property
    def plans(self) -> dict[str, ModelSettings]:
        """See `Service.plans`: those that ops have, by the name of the op; and the ops that run in processes."""
        models: dict[str, ModelSettings] = dict(self.pipeline.models)
        if not self.pipeline.process_ops or self.origin is None:
            return models
        ops = {f"{_OP}{name}": self._process_plan(name, n) for name, n in self.pipeline.process_ops.items()}
        if twice := models.keys() & ops.keys():
            raise BadConfig(f"pipeline {self.name!r}: an op cannot be named {twice.pop()!r}: so is the code of another")
        return models | ops

    def _process_plan(self, op: str, count: int) -> ModelSettings:
        """An op as user code in so many processes, which gets one batch at a time."""
        assert self.origin is not None
        file, argv = self.origin
        handler = op_packets.spec_of(Origin(file, argv, self._code), self.name, op)
        return ModelSettings(folder=file, max_rows=1, instances=count, max_wait_ms=0.0, handler=handler)

    @cached_property
    def _code(self) -> str:
        assert self.origin is not None
        return source_files.digest(self.origin[0])

    @property
    def entries(self) -> list[tuple[Signature, bool]]:
        """The models behind what callers send, and whether the op of each has a `preprocess` that reads it."""
        known = [(name, reads) for name, reads in self.pipeline.entries if name in self._engines]
        return [(self._engines[name].signature, reads) for name, reads in known]

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`; starts the workers of the ops."""
        if self.pipeline.process_ops and self.origin is None:
            raise BadConfig("is_thread_op: False needs the service to be in a file")
        self._engines = engines
        processes = {name: engines[f"{_OP}{name}"] for name in self.pipeline.process_ops}
        self.pipeline.bind(engines, processes, threads)
        workers = max(threads.count, self.pipeline.worker_count)
        room = Room.beside(workers, self.limits.max_inside, self.limits.max_body_bytes)
        self._admission = Admission(self.name, room, self.pipeline.expected_s)

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """See `Service.infer_models`: it takes no tensors."""
        raise NoMethod(usage(self.name))

    async def infer(self, request: Request) -> Response:
        """See `Service.infer`."""
        assert self._admission is not None
        with self._admission.enter(request.deadline, request.body_bytes):
            return await self.pipeline.infer(request)


def host(service: PipelineService) -> None:
    """Serve a pipeline until stopped, on the ports of its config; hosted: hand it to that server and return."""
    if hosting.is_hosted():
        hosting.collect(service)
        return
    hosting.become_server(service.pipeline.flags)
