"""A model as it is, without code around it."""

import copy
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import NoMethod
from paddle_serving_client.message import Request, Response, Stage
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.feed import as_json, outputs_of, tensors_and_lods
from paddle_serving_server.engine.interface import Engine, answer
from paddle_serving_server.engine.lane import Lane
from paddle_serving_server.engine.settings import ModelSettings
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code.threads import Threads

ENGINE_NAME: Final = "GeneralInferOp_0"
"""What Paddle Serving calls the one inference step of a chain."""


class ModelService(Service):
    """A service whose instances are the inputs of a model."""

    kind = "numbers"

    def __init__(self, name: str, model: ServedModel | None = None) -> None:
        """Be called `name`; `model` says where it is and how to run it, where that is registered.

        Raises:
            BadConfig: no service can have that name, or there is nothing at the path.
        """
        super().__init__(name)
        self._folders: dict[str, str] = {}
        self._settings = ModelSettings()
        if model is not None:
            self._settle(model)

    def set_models(self, folders: Mapping[str, str]) -> None:
        """Say which models the service needs, by name: anything that a layout knows. The first is the main one.

        Raises:
            BadConfig: there is nothing at a path.
        """
        for folder in folders.values():
            repository.refuse_missing(folder, "load_model_config:")
        self._folders = dict(folders)

    def _settle(self, model: ServedModel) -> None:
        """Run as a registered model says."""
        self.set_models({"": model.folder})
        self._settings = model

    def set_gpus(self, gpus: str) -> None:
        """Run the models on a GPU: "0"."""
        self._change(gpu_id=int(str(gpus).split(",")[0]))

    def set_golden(self, file: str | Path) -> None:
        """Refuse the main model, and every new version of it, unless it gives the outputs of a golden sample.

        Args:
            file: with the golden sample, as `serve --golden` takes it.
        """
        self._change(golden=str(Path(file).absolute()))

    def _change(self, **options: Any) -> None:
        self._settings = replace(self._settings, options=replace(self._settings.options, **options))

    @property
    def plans(self) -> dict[str, ModelSettings]:
        """See `Service.plans`."""
        main = self._settings
        others = replace(main, options=replace(main.options, golden=""))
        return {
            name: replace(others if place else main, folder=folder)
            for place, (name, folder) in enumerate(self._folders.items())
        }

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`."""
        self._engines = engines
        self.keeps_time = not self.in_process
        self.lane = Lane.beside(self._engine())

    @property
    def takes_tensors(self) -> bool:
        """See `Service.takes_tensors`."""
        return True

    @property
    def signature(self) -> Signature:
        """See `Service.signature`."""
        return self._engine().signature if self._engines else super().signature

    def held(self, context: Context) -> "ModelService":
        """See `Service.held`."""
        held = copy.copy(self)
        held._engines = {name: engine.held(context) for name, engine in self._engines.items()}
        return held

    async def infer(self, request: Request) -> Response:
        """Answer one request: tensors, or instances that are stacked to tensors.

        Raises:
            ServingError: whatever is wrong, in the caller's terms.
        """
        with Context.of(request) as context:
            if request.tensors is not None:
                return await answer(self._engine(), request, context)
            return await self._infer_instances(request, context)

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """See `Service.infer_models`."""
        return {ENGINE_NAME: (self.signature, await self.infer(request))}

    async def _infer_instances(self, request: Request, context: Context) -> Response:
        engine = self._engine()
        began = time.monotonic()
        instances = list(request.instances)
        tensors, lods = tensors_and_lods(engine.signature, instances)
        stacked_at = time.monotonic()
        response = await answer(engine, Request(tensors=tensors, lods=lods, fetch=request.fetch), context)
        came = time.monotonic()
        result = as_json(outputs_of(response))
        ended = time.monotonic()
        before = Stage("preprocess", (stacked_at - began) * 1000, began, stacked_at)
        stages = (before, *response.stages, Stage("postprocess", (ended - came) * 1000, came, ended))
        return replace(response, result=result, stages=stages)

    def _engine(self) -> Engine:
        """The main model's."""
        if not self._engines:
            raise NoMethod(f"service {self.name!r} has no model that takes tensors; POST /{self.name}/prediction")
        return next(iter(self._engines.values()))
