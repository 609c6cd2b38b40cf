"""What a server sees of a service: a name, the models it needs, and something behind `infer`.

    Service
      ModelService       a model as it is; ChainService: several of them
        GraphService     steps that ask other services of the server
        WebService       with the steps of a user before and behind it
          PictureService   with those of a task that looks at pictures; ExportedService: the task that a file says
      HandlerService     user code in processes of its own
      PipelineService    the ops of a Paddle pipeline

A server hands a service engines and threads by `bind`, and asks it to `infer`. Nothing in a service knows flags,
signals or sockets.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from paddle_serving_app import model_fields
from paddle_serving_app.handler import About
from paddle_serving_app.ops.tabular import Table
from paddle_serving_app.signature import Signature
from paddle_serving_app.triton.config import TritonModelConfig
from paddle_serving_client.errors import BadConfig, NoMethod
from paddle_serving_client.message import Request, Response
from paddle_serving_server.config import things
from paddle_serving_server.config.values import Limits
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.lane import Lane
from paddle_serving_server.engine.settings import ModelSettings
from paddle_serving_server.graph.tensor_graph import Ask
from paddle_serving_server.user_code.admission import Admission
from paddle_serving_server.user_code.threads import Threads

_NOTHING: Final = Signature((), ())


class Others(Protocol):
    """The other services of a server, as one of them may ask them."""

    def held(self, models: Iterable[tuple[str, str]], context: Context) -> AbstractContextManager[Ask]:
        """Ask some of them, by name and version: what answers is the same until the `with` is over.

        Raises:
            BackendFailed: one of them is not there. Busy: it is being loaded.
        """

    async def there(self, name: str, models: Iterable[tuple[str, str]]) -> None:
        """Wait until each of those answers that a service asks.

        Raises:
            BadModel: one is not served, or cannot be loaded.
        """

    def refuse_circle(self, name: str, asks: Iterable[str]) -> None:
        """Refuse a service that would wait for itself.

        Raises:
            BadConfig: one of those that it asks, or that these ask, is itself.
        """


class Service(ABC):
    """One of them: `POST /NAME/prediction`."""

    kind: str = "json"
    """What a visitor is asked for: "numbers" (a form), "image" (a picture) or "json"; where callers name
    fields (`table_of`), "fields" is told."""
    title: str = ""
    """One line for people."""
    example: Mapping[str, object] | None = None
    """An instance that works, for the form: {"x": [...]}."""
    outputs: Sequence[str] = ()
    """Names a caller can put in `fetch`, where postprocessing makes others than the model gives."""
    file_input: str = "image"
    """The name under which an uploaded file or a raw image body arrives in an instance."""
    is_pipeline: bool = False
    """Whether it takes calls of PipelineService, and no tensors."""
    takes_raw: bool = False
    """Whether its own code reads messages as they come."""

    def __init__(self, name: str) -> None:
        if not things.NAME.fullmatch(name):
            raise BadConfig(f"service name {name!r}: {things.NAME_RULE}")
        self.name = name
        self.in_process = False
        """Whether its models are loaded by the serving process itself."""
        self.limits = Limits()
        """Of the server: what may be inside at once, where user code is asked."""
        self.lane: Lane | None = None
        """The way for small calls whose tensors go to the main model as they are; None: there is none."""
        self.keeps_time = False
        """Whether each part of `infer` keeps the deadline of a request by itself."""
        self.origin: tuple[str, tuple[str, ...]] | None = None
        """The file that makes it, and what that finds in `sys.argv`; None: none that is known."""
        self.others: Others | None = None
        """Of the server; None: there are none that it could ask."""
        self.counters: Counters | None = None
        """Of the server: where it counts what it does by itself; None: nobody looks."""
        self.inside = 0
        """Calls that are not answered yet."""
        self.triton: TritonModelConfig | None = None
        """What its config says, where it comes out of a repository of Triton's."""
        self.class_names: Mapping[str, Sequence[str]] = {}
        """Names of classes, by output."""
        self.fixed_version = ""
        """Which version of an entry it is, where that never becomes another one."""
        self._engines: Mapping[str, Engine] = {}
        self._admission: Admission | None = None

    @property
    @abstractmethod
    def plans(self) -> dict[str, ModelSettings]:
        """The models it needs, by name; the first is the main one."""

    @abstractmethod
    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """Take the engines for `plans`, and the threads for user code. Call on the event loop.

        Raises:
            BadConfig: nothing could be answered.
        """

    @property
    def asks(self) -> Sequence[tuple[str, str]]:
        """The services that it asks to answer a request: name and version, which is empty for the default one."""
        return ()

    def asking(self, ask: Ask) -> "Service":
        """The same service for one request of another one: what it asks is asked by `ask`."""
        return self

    def held(self, context: Context) -> "Service":
        """The same service for one request that asks it more than once: one version of its models until that is over.

        A service with steps of a user holds its models for each call by itself.
        """
        return self

    @abstractmethod
    async def infer(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ServingError: whatever is wrong, in the caller's terms.
        """

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """Answer a request that carries tensors: each model whose outputs are the answer, by the name of its op."""
        raise NoMethod(f"service {self.name!r} has no model that takes tensors; POST /{self.name}/prediction")

    @property
    def about(self) -> About:
        """What people are told of it now."""
        return About(kind=self.kind, title=self.title, example=self.example, file_input=self.file_input)

    @property
    def takes_files(self) -> bool:
        """Whether code of a user gets files as they come, whatever is in them."""
        return False

    @property
    def takes_tensors(self) -> bool:
        """Whether what a caller sends goes to the model as it is, with no code of a user before or behind it."""
        return False

    @property
    def answers_in_parts(self) -> bool:
        """Whether the answer to instances comes in parts, of which there may be any number."""
        return False

    @property
    def signature(self) -> Signature:
        """Inputs and outputs of the main model, where that takes tensors of callers."""
        return _NOTHING

    @property
    def backends(self) -> dict[str, str]:
        """The inference library of each model."""
        return {name: engine.backend_name for name, engine in self._engines.items()}

    @property
    def model_plans(self) -> dict[str, Mapping[str, object]]:
        """Why each model is run the way it is, by its name, or by that of its folder where it has none."""
        folders = {name: plan.folder for name, plan in self.plans.items()}
        return {name or Path(folders[name]).name: engine.plan for name, engine in self._engines.items()}

    @property
    def version(self) -> str:
        """Which one of an entry it is, else the number of the folder that its main model comes from, else 1."""
        if self.fixed_version:
            return self.fixed_version
        plan = next(iter(self.model_plans.values()), {})
        number = Path(str(plan.get("from", ""))).name
        return str(int(number)) if number.isdecimal() else "1"

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


def table_of(service: Service) -> Table | None:
    """The fields that callers name, where the main model has some and takes instances as they are."""
    return model_fields.table_of(service.signature) if service.takes_tensors else None
