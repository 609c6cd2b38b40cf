"""What the registry says of a model: which versions there are, and what each is doing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.process.registry_messages import Registered
from paddle_serving_server.process.states import State


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version."""

    version: str
    """Its number, or its name; 1 where the folder has no number."""
    state: State
    reason: str = ""
    """Why it was refused, or why other settings were."""
    part: int = 0
    """The registry's own number for it; 0: a service from a file."""

    def as_json(self) -> dict[str, str]:
        """As callers see it."""
        return {"version": self.version, "state": str(self.state), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """An entry of the registry, as it was when this was asked for."""

    name: str
    model: ServedModel | None
    """Its settings; None: it is a service from a file, which can be reloaded and nothing else."""
    versions: tuple[VersionStatus, ...] = ()
    """Those that load, answer, go, or were refused; none: it is registered, and not loaded."""

    @classmethod
    def of(cls, message: Registered) -> "ModelStatus":
        """What the supervisor has said."""
        model = ServedModel.from_dict(message.model) if message.model else None
        return cls(message.name, model, tuple(_version(values) for values in message.versions))

    @property
    def state(self) -> State:
        """Of the whole: READY as soon as one version answers."""
        order = (State.READY, State.LOADING, State.UNLOADING, State.REFUSED)
        return next((s for s in order if any(v.state is s for v in self.versions)), State.UNLOADED)

    @property
    def reason(self) -> str:
        """Why versions were refused; empty: none was."""
        return "; ".join(dict.fromkeys(version.reason for version in self.versions if version.reason))

    def as_json(self) -> dict[str, object]:
        """As callers see it."""
        found: dict[str, object] = {
            "name": self.name,
            "state": str(self.state),
            "reason": self.reason,
            "versions": [version.as_json() for version in self.versions],
        }
        if (model := self.model) is not None:
            found |= {
                "path": model.folder,
                "policy": model.versions.as_json if not model.paths else dict(model.paths),
                "rows": model.max_rows,
                "wait_ms": model.max_wait_ms,
                "instances": model.instances,
                "backend": model.options.backend,
                "default": model.default_version,
                "labels": dict(model.labels),
            }
        return found


def _version(values: Mapping[str, Any]) -> VersionStatus:
    return VersionStatus(values["version"], State(values["state"]), values["reason"], values["part"])
