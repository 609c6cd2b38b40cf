"""WebService: a name, the steps before and after a model, and the engines behind it.

A user subclasses it and writes `preprocess` and `postprocess`; without a subclass it serves a model as it is.
Nothing in here knows flags, signals or sockets: a server hands it engines and asks it to `infer`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig, NoMethod
from paddle_serving_client.message import Array, Instance, Request, Response, Stage
from paddle_serving_server.config import things
from paddle_serving_server.config.values import Limits
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.feed import as_json, as_tensors, named_inputs, outputs_of, stacked, unpacked
from paddle_serving_server.engine.interface import Engine, answer
from paddle_serving_server.engine.lane import Lane
from paddle_serving_server.engine.live import one_version
from paddle_serving_server.graph.pipeline.op import Op as Op
from paddle_serving_server.graph.pipeline.process import Origin
from paddle_serving_server.graph.pipeline.service import PipelineService
from paddle_serving_server.user_code import hosting
from paddle_serving_server.user_code.admission import Admission, Room
from paddle_serving_server.user_code.steps import Steps
from paddle_serving_server.user_code.threads import Threads

_Result = TypeVar("_Result")
_NO_MODEL: Final = Signature((), ())
_STEPS: Final = ("preprocess", "postprocess")
_WAYS: Final = ("infer", "infer_models")
ENGINE_NAME: Final = "GeneralInferOp_0"
"""What Paddle Serving calls the one inference step of a chain."""


@dataclass(slots=True)
class _Clock:
    """The steps of one request as they end; each without the steps inside it, so that they add up."""

    stages: list[Stage] = field(default_factory=list)
    inside_ms: float = 0.0
    """What the steps inside the one that runs now have taken."""
    asked: list[Stage] = field(default_factory=list)
    """Of models that user code asked."""

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        before, self.inside_ms = self.inside_ms, 0.0
        started = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            ms = (ended - started) * 1000
            self.stages.append(Stage(name, ms - self.inside_ms, started, ended))
            self.inside_ms = before + ms


_clock: ContextVar[_Clock | None] = ContextVar("clock", default=None)
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A model that a service needs, and how to run it."""

    folder: str
    options: ModelOptions
    max_rows: int = 0
    """Largest batch, in rows; 0: as for the whole server."""
    instances: int = 0
    """Engine processes; 0: as for the whole server."""


class WebService(PipelineService):
    """A service: `POST /NAME/prediction`.

    Attributes:
        kind: what a visitor is asked for: "numbers" (a form), "image" (a picture) or "json".
        title: one line for people.
        example: an instance that works, for the form: {"x": [...]}.
        file_input: the name under which an uploaded file or a raw image body arrives in an instance.
    """

    kind: ClassVar[str] = "json"
    title: ClassVar[str] = ""
    example: ClassVar[Mapping[str, object] | None] = None
    outputs: ClassVar[Sequence[str]] = ()
    """Names a caller can put in `fetch`, where postprocessing makes others than the model gives."""
    file_input: ClassVar[str] = "image"

    def __init__(self, name: str = "default_service") -> None:
        if not things.NAME.fullmatch(name):
            raise BadConfig(f"service name {name!r}: {things.NAME_RULE}")
        self.name = name
        self.port = 9393
        self.thread_num = 4
        self.in_process = False
        self._folders: dict[str, str] = {}
        self._options = ModelOptions()
        self._golden = ""
        self._engines: Mapping[str, Engine] = {}
        self.limits = Limits()
        """Of the server: what may be inside at once, of a service with steps of its own."""
        self._admission: Admission | None = None
        self._steps: Steps | None = None
        self.lane: Lane | None = None
        """The way for small calls whose tensors go to the main model as they are; None: there is none."""
        self.keeps_time = False
        """Whether each part of `infer` keeps the deadline of a request by itself."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_default_steps = False

    # -- what a service file calls

    def load_model_config(
        self,
        server_config_dir_paths: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
        client_config_path: str | Path | None = None,
    ) -> None:
        """Say which models the service needs.

        Args:
            server_config_dir_paths: one model, in any layout that `serve` takes; or several by name, where the first
                is the model between `preprocess` and `postprocess` and the others are called with `predict`.
            client_config_path: accepted as in Paddle Serving; the server folder's config says the same.

        Raises:
            BadConfig: there is nothing at a path; what is there is found out when it is loaded.
        """
        del client_config_path
        if isinstance(server_config_dir_paths, Mapping):
            folders = {name: str(path) for name, path in server_config_dir_paths.items()}
        elif isinstance(server_config_dir_paths, str | Path):
            folders = {"": str(server_config_dir_paths)}
        else:
            folders = {Path(path).name: str(path) for path in server_config_dir_paths}
        for folder in folders.values():
            repository.refuse_missing(folder, "load_model_config:")
        if not folders:
            raise BadConfig("load_model_config needs at least one model")
        self._folders = folders

    def set_gpus(self, gpus: str) -> None:
        """Run the models on a GPU: "0"."""
        self._options = replace(self._options, gpu_id=int(str(gpus).split(",")[0]))

    def prepare_server(
        self,
        workdir: str = "",
        port: int = 9393,
        device: str = "cpu",
        precision: str = "fp32",
        use_calib: bool = False,
        use_lite: bool = False,
        use_xpu: bool = False,
        ir_optim: bool = True,
        thread_num: int = 4,
        mem_optim: bool = True,
        use_trt: bool = False,
        gpu_multi_stream: bool = False,
        runtime_thread_num: int | None = None,
        batch_infer_size: int | None = None,
        gpuid: int | str | None = None,
    ) -> None:
        """Say how the service is to be run when this file is started by itself.

        Args:
            port: where it listens.
            device: "cpu", or "gpu" for GPU 0 (or `gpuid`).
            thread_num: how many requests are pre- and postprocessed at once.
            precision, ir_optim, use_trt: handed to the inference library.
            workdir and the rest: accepted as in Paddle Serving, without effect.
        """
        del workdir, use_calib, use_lite, use_xpu, mem_optim, gpu_multi_stream, runtime_thread_num, batch_infer_size
        self.port = port
        self.thread_num = thread_num
        self._options = replace(self._options, precision=precision, ir_optim=ir_optim, use_trt=use_trt)
        if gpuid not in (None, "", "-1", -1):
            self.set_gpus(str(gpuid))
        elif device == "gpu" and self._options.gpu_id is None:
            self.set_gpus("0")

    def set_golden(self, file: str | Path) -> None:
        """Refuse the main model, and every new version of it, unless it gives the outputs of a golden sample.

        Args:
            file: with the golden sample, as `serve --golden` takes it.
        """
        self._golden = str(Path(file).absolute())

    def run_rpc_service(self) -> None:
        """Run the models in engine processes (the default)."""
        self.in_process = False

    def run_debugger_service(self, gpu: bool = False) -> None:
        """Run the models inside the serving process, so that a debugger sees everything."""
        self.in_process = True
        if gpu and self._options.gpu_id is None:
            self.set_gpus("0")

    def run_web_service(self) -> None:
        """Serve until stopped. In a file that a server hosts, hand the service to that server and return."""
        if hosting.is_hosted():
            hosting.collect(self)
            return
        hosting.become_server(["--port", str(self.port), "--thread", str(self.thread_num)])

    # -- what a subclass writes

    def init_service(self) -> None:
        """Called once in each serving process, before the first request."""

    def preprocess(
        self,
        feed: list[Instance] = [],  # noqa: B006  # the signature that subclasses know; never written to
        fetch: list[str] = [],  # noqa: B006
    ) -> tuple[Any, ...]:
        """Turn the instances of a request into the inputs of the model.

        Args:
            feed: the list under "feed" of the request; an uploaded picture is {"image": bytes}.
            fetch: the list under "fetch".

        Returns:
            (inputs by name, fetch, whether the inputs have the batch axis already). The last may be left out.
        """
        if not self._engines:
            return {}, fetch, True
        signature = self._engine().signature
        return {i.alias: stacked(i, feed) for i in named_inputs(signature, feed)}, fetch, True

    def postprocess(
        self,
        feed: list[Instance] = [],  # noqa: B006
        fetch: list[str] = [],  # noqa: B006
        fetch_map: Mapping[str, Array] | None = None,
    ) -> Any:
        """Turn the outputs of the model into what the caller gets under "result": anything that JSON can say.

        Args:
            feed: the instances as they came.
            fetch: the names asked for.
            fetch_map: outputs by alias, with the batch axis; of a service without a model, what `preprocess` gave.
        """
        return {name: array.tolist() if self._engines else array for name, array in (fetch_map or {}).items()}

    # -- what a subclass may call

    def predict(
        self, model: str, feed: Mapping[str, object], fetch: Sequence[str] = (), batch: bool = False
    ) -> dict[str, Array]:
        """Run another model of this service; blocks. Only in `preprocess` and `postprocess`.

        Args:
            model: the name given to `load_model_config`.
            feed: arrays by name; `NAME.lod` for sequence offsets.
            fetch: outputs wanted; empty means all.
            batch: whether the arrays have the batch axis already.

        Returns:
            Outputs by alias.
        """
        assert self._loop is not None
        call = self._predict(self._engine(model), feed, fetch, batch, _deadline.get())
        outputs, stages = asyncio.run_coroutine_threadsafe(call, self._loop).result()
        if (clock := _clock.get()) is not None:
            clock.asked += stages
        return outputs

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a step; the caller sees it in the `Server-Timing` header, without the steps inside it."""
        clock = _clock.get()
        with clock.step(name) if clock else contextlib.nullcontext():
            yield

    # -- what a server calls

    @property
    def plans(self) -> dict[str, ModelPlan]:
        """The models the service needs, by name; the first is the main one."""
        if self.pipeline is not None:
            return {name: ModelPlan(model.folder, model.options) for name, model in self.pipeline.models.items()}
        goldens = [self._golden, *[""] * len(self._folders)]
        return {
            name: ModelPlan(folder, replace(self._options, golden=golden))
            for (name, folder), golden in zip(self._folders.items(), goldens, strict=False)
        }

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """Take the engines for `plans`, and the threads for user code. Call on the event loop.

        Raises:
            BadConfig: there is neither a model nor a step, so that nothing could be answered.
        """
        self._engines = engines
        self._loop = asyncio.get_running_loop()
        self.keeps_time = self._has_default(_WAYS) and not self.in_process
        if self.pipeline is not None:
            self.pipeline.bind(engines, threads, Origin(*self.origin) if self.origin else None)
            self._admission = self._admitting(max(threads.count, self.pipeline.worker_count), self.pipeline.expected_s)
            return
        self._has_default_steps = self._has_default(_STEPS)
        if self._has_default_steps and self._has_default(_WAYS) and not engines:
            what = "call load_model_config() in its file, or write its preprocess or postprocess"
            raise BadConfig(f"service {self.name!r} has no model and no steps of its own: {what}")
        if not self._has_default_steps:
            self._steps = Steps(self.name, threads, _STEPS)
            self._admission = self._admitting(threads.count, self._steps.expected_s)
        if engines and self._has_default(_WAYS):
            self.lane = Lane.beside(self._engine())
        try:
            self.init_service()
        except Exception:
            raise
        except BaseException as exc:
            raise BadConfig(f"init_service of service {self.name!r} raised {type(exc).__name__}") from exc

    @property
    def signature(self) -> Signature:
        """Inputs and outputs of the main model; a pipeline, whose first op decides what it takes, has none."""
        return _NO_MODEL if self.pipeline is not None or not self._engines else self._engine().signature

    @property
    def backends(self) -> dict[str, str]:
        """The inference library of each model."""
        return {name: engine.backend_name for name, engine in self._engines.items()}

    @property
    def model_plans(self) -> dict[str, Mapping[str, object]]:
        """Why each model is run the way it is, by its name, or by that of its folder where it has none."""
        folders = {name: plan.folder for name, plan in self.plans.items()}
        return {name or Path(folders[name]).name: engine.plan for name, engine in self._engines.items()}

    def check_room(self, deadline: float, size: int) -> None:
        """Refuse a request before it is read, where `infer` would refuse it: nothing of it is kept then.

        Args:
            deadline: on the clock of `time.monotonic`.
            size: of its body, in bytes.

        Raises:
            Busy: too many requests are inside, or those that wait leave no time for this one.
        """
        if self._admission is not None:
            self._admission.check(deadline, size)

    async def infer(self, request: Request) -> Response:
        """Answer one request: tensors go to the main model as they are, instances through pre- and postprocessing.

        Raises:
            ServingError: whatever is wrong, in the caller's terms.
        """
        if self.pipeline is None and (request.tensors is not None or self._has_default_steps):
            if request.tensors is not None:
                return await answer(self._engine(), request)
            return await self._infer_with_default_steps(request)
        assert self._admission is not None
        # One version, whatever the steps ask and however long they take.
        with self._admission.enter(request.deadline, request.body_bytes), one_version():
            if self.pipeline is not None:
                return await self.pipeline.infer(request)
            return await self._infer_with_steps(request)

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """Answer a request that carries tensors: each model whose outputs are the answer, by the name of its op."""
        return {ENGINE_NAME: (self.signature, await self.infer(request))}

    @property
    def takes_tensors(self) -> bool:
        """Whether what a caller sends goes to the model as it is, with no code of a user before or behind it."""
        return self._has_default_steps

    # -- details

    async def _infer_with_steps(self, request: Request) -> Response:
        clock = _Clock()
        _clock.set(clock)
        _deadline.set(request.deadline)
        instances, wanted = list(request.instances), list(request.fetch)
        prepared = await self._user_code("preprocess", lambda: self.preprocess(instances, wanted), request.deadline)
        feed, fetch, has_batch = unpacked(prepared)
        fetch_map: Mapping[str, Any] = feed
        if self._engines:
            fetch_map, model_stages = await self._predict(self._engine(), feed, fetch, has_batch, request.deadline)
            clock.stages += model_stages
        result = await self._user_code(
            "postprocess", lambda: self.postprocess(instances, fetch, fetch_map), request.deadline
        )
        return Response(result=result, stages=tuple(clock.stages), inside=tuple(clock.asked))

    async def _infer_with_default_steps(self, request: Request) -> Response:
        """The same as with a user's steps, without the threads and contexts that these need: for small requests."""
        engine = self._engine()
        began = time.monotonic()
        instances = list(request.instances)
        tensors = {i.alias: stacked(i, instances) for i in named_inputs(engine.signature, instances)}
        stacked_at = time.monotonic()
        response = await answer(engine, Request(tensors=tensors, fetch=request.fetch, deadline=request.deadline))
        came = time.monotonic()
        result = as_json(outputs_of(response))
        ended = time.monotonic()
        before = Stage("preprocess", (stacked_at - began) * 1000, began, stacked_at)
        stages = (before, *response.stages, Stage("postprocess", (ended - came) * 1000, came, ended))
        return Response(tensors=response.tensors, result=result, stages=stages)

    def _admitting(self, threads: int, expected_s: Callable[[], tuple[float, float]]) -> Admission:
        limits = self.limits
        return Admission(self.name, Room.beside(threads, limits.max_inside, limits.max_body_bytes), expected_s)

    def _has_default(self, methods: Sequence[str]) -> bool:
        return all(getattr(type(self), name) is getattr(WebService, name) for name in methods)

    def _engine(self, name: str | None = None) -> Engine:
        if name is None and not self._engines:
            raise NoMethod(f"service {self.name!r} has no model that takes tensors; POST /{self.name}/prediction")
        if name is None:
            return next(iter(self._engines.values()))
        if name not in self._engines:
            has = ", ".join(map(repr, self._engines))
            raise BadConfig(f"service {self.name!r} has no model {name!r}; it has {has}")
        return self._engines[name]

    async def _predict(
        self, engine: Engine, feed: Mapping[str, object], fetch: Sequence[str], has_batch: bool, deadline: float
    ) -> tuple[dict[str, Array], Sequence[Stage]]:
        tensors, lods = as_tensors(engine.signature, feed, has_batch)
        response = await answer(engine, Request(tensors=tensors, lods=lods, fetch=tuple(fetch), deadline=deadline))
        return outputs_of(response), response.stages

    async def _user_code(self, step: str, call: Callable[[], _Result], deadline: float) -> _Result:
        """Run a user's step in a thread."""
        assert self._steps is not None
        with self.stage(step):
            return await self._steps.run(step, partial(copy_context().run, call), deadline)
