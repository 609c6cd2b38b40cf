"""A pipeline of PaddleX as a service: its operation, in three forms.

POST /ocr                     the JSON of PaddleX, and its envelope
a model `ocr` of KServe v2    the same as bytes, [1, 1], for clients of HPS
POST /ocr/prediction          pictures, for the page, where the pipeline is one model
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from paddle_serving_app.exported import task as tasks
from paddle_serving_app.exported.task import Task
from paddle_serving_app.paddlex import fields, operations, pipeline_file
from paddle_serving_app.paddlex.fields import Refused
from paddle_serving_app.paddlex.operation import Operation
from paddle_serving_app.paddlex.pipeline_file import PipelineSpec
from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_client import dtype, plugins
from paddle_serving_client.errors import BadInput, NoMethod
from paddle_serving_client.message import Array, Instance, Request, Response
from paddle_serving_client.wire import paddlex as wire
from paddle_serving_server.services import json_result
from paddle_serving_server.services.passage import Passage
from paddle_serving_server.services.picture_service import Opened, PictureService

_HPS: Final = Signature(
    (Input(wire.INPUT, wire.INPUT, dtype.STRING, (-1, 1)),), (Output(wire.OUTPUT, wire.OUTPUT, dtype.STRING, (1,)),)
)


class PaddleXService(PictureService):
    """See above."""

    def __init__(self, spec: PipelineSpec) -> None:
        super().__init__(spec.pipeline.operation)
        self.spec = spec
        self.title = f"{spec.pipeline.name} (PaddleX)"
        self.set_models({name: module.folder for name, module in spec.modules.items()})
        self._operation = cast(Operation, plugins.load(operations, spec.pipeline.kind))
        self._tasks: dict[tuple[str, str], Task] = {}

    @property
    def operation(self) -> str:
        """The path that callers of PaddleX know, without the slash."""
        return self.spec.pipeline.operation

    @property
    def signature(self) -> Signature:
        """See `Service.signature`: what clients of HPS send."""
        return _HPS

    def make_task(self) -> Task:
        """That of the main model."""
        self._operation.check(_OfRequest(self))
        return self.task

    @property
    def task(self) -> Task:
        """See `PictureService.task`."""
        return self.task_of(self.spec.pipeline.modules[0])

    async def infer(self, request: Request) -> Response:
        """Answer one request, whatever its form.

        Raises:
            ServingError: whatever is wrong, in the caller's terms.
        """
        if request.tensors is None:
            return await super().infer(request)
        raw = _hps_input(request.tensors)
        response = await super().infer(replace(request, tensors=None, raw=raw, parameters={"is_hps": True}))
        return replace(response, result=None, status=200, tensors={wire.OUTPUT: _as_tensor(response.result)})

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """See `Service.infer_models`."""
        raise NoMethod(f"service {self.name!r} is a pipeline; POST /{self.name}")

    def run(self, name: str, feed: Mapping[str, Array]) -> Mapping[str, Array]:
        """See `operation.Models.run`."""
        return self.predict(name, feed, batch=True)

    def task_of(self, name: str) -> Task:
        """The task of a module; a new version of its model may have other labels."""
        engine = self._engine(name)
        key = name, engine.version
        if key not in self._tasks:
            self._tasks[key] = tasks.read(Path(self.spec.modules[name].folder), engine.signature)
        return self._tasks[key]

    async def _infer_with_steps(self, request: Request, passage: Passage) -> Response:
        if request.raw is None:
            return await super()._infer_with_steps(request, passage)
        is_hps = bool(request.parameters.get("is_hps"))
        status, said = await self._user_code("postprocess", partial(self._answered, request.raw, is_hps), passage)
        stages, inside = tuple(passage.stages), tuple(passage.inside)
        return Response(result=json_result.dumps_value(said), status=status, stages=stages, inside=inside)

    def _answered(self, raw: bytes, is_hps: bool) -> tuple[int, dict[str, Any]]:
        """The status and the envelope."""
        log_id = wire.log_id_in(raw)
        try:
            said = fields.checked(fields.body_of(raw), self._operation.FIELDS, self._operation.NEEDED)
            # HPS clients read pictures of an answer even where nobody has asked for them.
            usual = is_hps or self.spec.visualizes
            result = self._operation.result(_OfRequest(self), said, said.get("visualize", usual))
        except Refused as exc:
            return exc.status, wire.failure(log_id, exc.status, str(exc))
        except BadInput as exc:
            return 422, wire.failure(log_id, 422, str(exc))
        return 200, wire.success(log_id, result)

    def _opened(self, instance: Instance) -> Opened:
        opened = super()._opened(instance)
        return opened._replace(options={**self.spec.modules[self.spec.pipeline.modules[0]].settings, **opened.options})


class _OfRequest:
    """See `operation.Models`."""

    def __init__(self, service: PaddleXService) -> None:
        self.spec = service.spec
        self.task, self.run = service.task_of, service.run


def of(file: str) -> PaddleXService:
    """The service of a YAML.

    Raises:
        BadConfig: see `pipeline_file.read`.
    """
    return PaddleXService(pipeline_file.read(Path(file)))


def _hps_input(tensors: Mapping[str, Array]) -> bytes:
    array = tensors.get(wire.INPUT)
    if list(tensors) != [wire.INPUT] or array is None or array.size != 1 or array.dtype.kind != "O":
        raise BadInput(f"a client of HPS sends one tensor {wire.INPUT!r}, bytes of JSON, [1, 1]")
    return bytes(array.reshape(-1)[0])


def _as_tensor(said: object) -> Array:
    assert isinstance(said, bytes)
    output = np.empty((1, 1), object)
    output[0, 0] = said
    return output
