"""What an engine process is told, and how it says that it cannot start. Imports nothing heavy: others read it too."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.handler import HandlerSpec

EXIT_BAD_START = 2
"""Exit status of a server whose flags, models or services are wrong."""
EXIT_CANNOT_START = 3
"""Exit status of a child process whose model or services cannot be loaded: starting it again would not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a model is run."""

    max_rows: int = 0
    """Largest batch, in rows of axis 0; 0: as for the whole server, and what measured best if that says nothing."""
    max_wait_ms: float | None = None
    """Longest time the oldest request waits for company, in milliseconds; None: as for the whole server."""
    instances: int = 0
    """Engine processes, which share the processors; 0: as for the whole server, and what was measured, else one."""
    handler: HandlerSpec | None = None
    """User code that is run in the place of a model, which the folder is the path of; then rows are requests."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The opposite of `dataclasses.asdict`."""
        return cls(**cls._restored(values))

    @classmethod
    def _restored(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Fields, out of their form as JSON."""
        handler = values["handler"]
        return {**values, "handler": None if handler is None else HandlerSpec(**handler)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings(RunSettings):
    """A model, and how it is run."""

    folder: str = ""
    """In any layout, or a folder of numbered ones."""
    options: ModelOptions = field(default_factory=ModelOptions)
    one_by_one: bool = False
    """Whether requests are never computed together, whatever their shape: axis 0 of their tensors is no batch."""
    stamp: str = ""
    """Of the files: others under the same path are another deployment. Empty: they are watched."""
    max_waiting: int = 0
    """Requests that may wait for it; 0: as for the whole server."""

    @classmethod
    def _restored(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return {**super(ModelSettings, cls)._restored(values), "options": ModelOptions(**values["options"])}


def of_running(settings: RunSettings) -> dict[str, Any]:
    """The fields that say how a model is run, to be given to another one."""
    return {field.name: getattr(settings, field.name) for field in fields(RunSettings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec(ModelSettings):
    """What a model is deployed as, whatever version of it: services whose specs are equal share its engines."""

    max_wait_ms: float = 0.0
    instances: int = 1
    tune_s: float = 0.0
    """How long to measure which library is the fastest, where that is not known yet, in seconds."""
    nice: int = 0
    """How far the processes stand back for others: 0, or up to 19 for those whose answers nobody waits for."""
    log_level: str = "INFO"

    @property
    def identity(self) -> str:
        """The same for equal specs, and for no others. There is no secret in it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """As text; equal specs give equal ones."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DeploymentSpec":
        """The opposite of `to_json`."""
        return cls.from_dict(json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """One engine process, as its supervisor tells it: a version of a deployment."""

    spec: DeploymentSpec
    key: str = field(default="", repr=False)
    """Of an encrypted model, base64."""
    copy: str = ""
    """Where the private copy of the model's files is, or is to be made; empty: the folder itself is loaded."""
    unlike: str = ""
    """The private copy of the version that is live: the same files once more are not loaded."""
    skip: tuple[int, ...] = ()
    """Numbers of versions that could not be loaded."""
    instance: int = 0
    """The number of the process among those of its version."""
    plan: Mapping[str, Any] | None = None
    """How the version before is run (`choosing.plan.Plan` as JSON): the next one is run likewise."""

    def to_json(self) -> str:
        """For the way to the engine process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "EngineConfig":
        """The opposite of `to_json`."""
        values = json.loads(text)
        return cls(**{**values, "spec": DeploymentSpec.from_dict(values["spec"]), "skip": tuple(values["skip"])})
