"""The registry as the APIs see it: what is registered, and the verbs that change it in all fronts.

    registry = exchange.catalogue.registry                          # of an HTTP handler; gRPC: plane.catalogue.registry
    await registry.register(ServedModel(name="uci", folder="/models/uci"))
    await registry.load("uci")
    registry.index()                                                # [ModelStatus(name="uci", ...), ...]

A verb is done by the supervisor, the one writer; it returns when the entry has come to rest: every front answers with
what was to be loaded, and everything else has given its last answers. What could not be loaded is no exception: the
`ModelStatus` that a verb returns says REFUSED and the reason, and what answered before goes on. An exception is for
what was not to be done at all. Who does not want to wait gives a `timeout_s`, or makes a task of it: a verb that was
begun goes on.

Triton: `load` with a config is `register(..., replaces=True)`; `index()` is its index. TorchServe: POST /models is
`register`, with `loads=False` where no workers are asked for; a version that comes later is `configure(paths=...)`;
workers are `scale`. TensorFlow Serving: `replace_all` is its ReloadConfig.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from paddle_serving_client import errors
from paddle_serving_client.errors import BadConfig, Conflict, DeadlineExceeded, NoMethod, NoService
from paddle_serving_server.config import things
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.engine import repository
from paddle_serving_server.process.line import Line
from paddle_serving_server.process.registry_messages import (
    Answered,
    Asked,
    ConfigureAsked,
    LoadAsked,
    RegisterAsked,
    ReloadAsked,
    UnloadAsked,
    UnregisterAsked,
)
from paddle_serving_server.services.model_status import ModelStatus

Report = Mapping[str, object]
"""What became of one model of a service that was reloaded: state, reason, at, from."""
_MOST_MODELS: Final = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a verb."""

    status: ModelStatus
    """Of the entry, at the end."""
    refusal: str = ""
    """Why something that was to be loaded was refused; empty: all is as it was asked for."""
    reports: tuple[Report, ...] = ()
    """Of a reload: one for each model."""


class Registry:
    """Of one front; what it says is what the supervisor has said last."""

    def __init__(self, statuses: Mapping[str, ModelStatus], line: Line | None = None) -> None:
        """Look at `statuses`, by name, and ask on `line`; without one nothing can be changed."""
        self._statuses = statuses
        self._line = line

    def index(self) -> list[ModelStatus]:
        """Everything that is registered, loaded or not, in the order in which it came."""
        return list(self._statuses.values())

    def status(self, name: str) -> ModelStatus:
        """One entry.

        Raises:
            NoService: there is none of that name.
        """
        if (found := self._statuses.get(name)) is None:
            raise NoService(f"no model {name[:128]!r} is registered; there is {self._names}")
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._statuses

    async def register(
        self, model: ServedModel, loads: bool = True, replaces: bool = False, timeout_s: float = math.inf
    ) -> Outcome:
        """Serve a model under its name.

        Args:
            model: its path may be anything that a layout knows, or a folder of numbered ones.
            loads: whether to load it at once; otherwise it is listed as UNLOADED.
            replaces: whether it may take the place of an entry of that name, whose versions answer until then.
            timeout_s: how long to wait for the outcome.

        Raises:
            BadConfig: no service can have that name, or no model is at the path.
            Conflict: there is one of that name already.
            DeadlineExceeded: it is not over in time; it goes on.
        """
        if not things.NAME.fullmatch(model.name):
            raise BadConfig(f"model name {model.name[:128]!r}: {things.NAME_RULE}")
        if model.name not in self._statuses and len(self._statuses) >= _MOST_MODELS:
            raise BadConfig(f"{_MOST_MODELS} models are registered already")
        await _check_paths(model)
        values = asdict(model)
        return await self._ask(
            model.name, lambda number: RegisterAsked(number, model.name, values, loads, replaces), timeout_s
        )

    async def unregister(self, name: str, timeout_s: float = math.inf) -> None:
        """Unload a model, and forget it.

        Raises:
            NoService: there is none. Conflict: it is a service from a file. DeadlineExceeded: see `register`.
        """
        await self._answer(name, lambda number: UnregisterAsked(number, name), timeout_s)

    async def load(self, name: str, timeout_s: float = math.inf) -> Outcome:
        """Load what its policy chooses now; what answers already stays, what was refused is tried again.

        Raises:
            NoService: it is not registered. Conflict: it is a service from a file. DeadlineExceeded: see `register`.
        """
        return await self._ask(name, lambda number: LoadAsked(number, name), timeout_s)

    async def unload(self, name: str, timeout_s: float = math.inf) -> Outcome:
        """Let all its versions give their last answers, and end; it stays registered.

        Raises:
            As `load`.
        """
        return await self._ask(name, lambda number: UnloadAsked(number, name), timeout_s)

    async def reload(self, name: str, allows_change: bool = False, timeout_s: float = math.inf) -> Outcome:
        """Take what its folders hold now, in the place of what answers; a service from a file can have this, too.

        Args:
            name: of the entry.
            allows_change: whether inputs and outputs may be others.
            timeout_s: how long to wait for the outcome.

        Raises:
            NoService: it is not registered. DeadlineExceeded: see `register`.
        """
        return await self._ask(name, lambda number: ReloadAsked(number, name, allows_change), timeout_s)

    async def configure(self, name: str, timeout_s: float = math.inf, **changes: object) -> Outcome:
        """Give a model other settings: engines with them take over when they are loaded, between two requests.

        Args:
            name: of the entry.
            timeout_s: how long to wait for the outcome.
            changes: fields of `ServedModel` but its name, as `max_rows=8`.

        Raises:
            BadConfig: there is no such setting, or it cannot have that value. Conflict: a version is not there.
            Others: as `load`.
        """
        model = self.status(name).model
        if model is None:
            raise Conflict(f"{name!r} is a service from a file: it can be reloaded, and nothing else")
        try:
            other = replace(model, **{**changes, "name": name})  # type: ignore[arg-type]
        except TypeError:
            known = ", ".join(sorted(field.name for field in fields(model) if field.name != "name"))
            raise BadConfig(f"model {name!r} has no setting {', '.join(changes)}; there are {known}") from None
        if (other.folder, other.paths) != (model.folder, model.paths):
            await _check_paths(other)
        values = asdict(other)
        given = {key: values[key] for key in changes}
        return await self._ask(name, lambda number: ConfigureAsked(number, name, given), timeout_s)

    async def scale(self, name: str, instances: int, timeout_s: float = math.inf) -> Outcome:
        """Have a number of engine processes for each version; 0 unloads it.

        Raises:
            As `configure`.
        """
        if instances == 0:
            return await self.unload(name, timeout_s)
        outcome = await self.configure(name, timeout_s, instances=instances)
        return await self.load(name, timeout_s) if not outcome.status.versions else outcome

    async def set_default(self, name: str, version: str, timeout_s: float = math.inf) -> Outcome:
        """Say which version answers who asks for none; empty: the highest number.

        Raises:
            Conflict: it is not there. Others: as `load`.
        """
        return await self.configure(name, timeout_s, default_version=version)

    async def label(self, name: str, labels: Mapping[str, str], timeout_s: float = math.inf) -> Outcome:
        """Give versions other names, in the place of those they had.

        Args:
            name: of the entry.
            labels: versions by label.
            timeout_s: how long to wait for the outcome.

        Raises:
            Conflict: a version is not there. Others: as `load`.
        """
        return await self.configure(name, timeout_s, labels=tuple(labels.items()))

    async def replace_all(self, models: Sequence[ServedModel], timeout_s: float = math.inf) -> list[Outcome]:
        """Serve these, and none of the others; services from files stay.

        Raises:
            BadConfig: one of them cannot be registered; those before it are.
        """
        names = {model.name for model in models}
        going = [status.name for status in self.index() if status.model is not None and status.name not in names]
        outcomes = await asyncio.gather(*(self.register(m, replaces=True, timeout_s=timeout_s) for m in models))
        await asyncio.gather(*(self.unregister(name, timeout_s) for name in going))
        return outcomes

    # -- details

    @property
    def _names(self) -> str:
        return ", ".join(map(repr, self._statuses)) or "nothing"

    async def _ask(self, name: str, question: Callable[[int], Asked], timeout_s: float) -> Outcome:
        answer = await self._answer(name, question, timeout_s)
        return Outcome(self.status(name), answer.reason, tuple(answer.reports))

    async def _answer(self, name: str, question: Callable[[int], Asked], timeout_s: float) -> Answered:
        if self._line is None:
            raise NoMethod("the models of this server cannot be changed")
        answer = await _in_time(name, self._line.ask(question), timeout_s)
        if answer.error:
            raise getattr(errors, answer.error)(answer.reason)
        return answer


async def _in_time(name: str, asking: Awaitable[Answered], timeout_s: float) -> Answered:
    try:
        async with asyncio.timeout(None if math.isinf(timeout_s) else timeout_s):
            return await asking
    except TimeoutError as exc:
        raise DeadlineExceeded(f"model {name!r} is not done in {timeout_s:g} s; it goes on") from exc


async def _check_paths(model: ServedModel) -> None:
    """Refuse a model whose path holds none; a folder on a network may keep whoever looks waiting."""
    if model.handler is not None or model.triton is not None:
        return  # it is found out when it is loaded
    for path in dict(model.paths).values() or model.folders:
        await asyncio.to_thread(repository.refuse_other, path, "path")
