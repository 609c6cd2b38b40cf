"""What a running server has to know of its model repositories: where they are, and how models of them are opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from paddle_serving_app.triton import container_paths
from paddle_serving_app.triton.completion import DEFAULT_MAX_BATCH_SIZE
from paddle_serving_app.triton.repository import Rules
from paddle_serving_server.config.triton.flags import ControlMode


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRules:
    """Of all models of a server that has repositories."""

    repositories: tuple[str, ...]
    """Paths."""
    control_mode: ControlMode = "none"
    """Whether callers may load and unload models (explicit), or the folders say what is served (poll), or nothing
    changes."""
    is_open: bool = False
    """Whether that is answered to everybody, as Triton does; else to who may manage the server."""
    completes: bool = True
    """Whether what a config leaves out is filled in."""
    config_name: str = ""
    default_max_batch_size: int = DEFAULT_MAX_BATCH_SIZE
    maps: tuple[str, ...] = ()
    """`FOLDER=DIR`: paths of a container, and where they are here."""
    gpus: tuple[int, ...] = ()
    """Numbers of those that models may run on."""
    backend_policy: Literal["measured", "exact"] = "measured"
    is_strict: bool = True
    """Whether the server is ready only when all its models are."""
    server_name: str = ""
    """Of `GET /v2`; empty: that of the project."""
    uploads: str = ""
    """A folder for the files that come with requests to load a model; empty: none are taken."""

    @property
    def roots(self) -> tuple[Path, ...]:
        """The repositories."""
        return tuple(map(Path, self.repositories))

    @property
    def opening(self) -> Rules:
        """How a model is opened.

        Raises:
            BadConfig: a map is none.
        """
        return Rules(
            complete=self.completes,
            default_max_batch_size=self.default_max_batch_size,
            gpus=self.gpus,
            paths=container_paths.parse(self.maps, self.roots),
            config_name=self.config_name,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> "RepositoryRules | None":
        """The opposite of `dataclasses.asdict`."""
        if values is None:
            return None
        return cls(**{**values, **{key: tuple(values[key]) for key in ("repositories", "maps", "gpus")}})
