"""A model of a repository as an entry of the registry: what its config says, or why it cannot be loaded."""

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paddle_serving_app.triton import reading
from paddle_serving_app.triton.config import TritonModelConfig
from paddle_serving_client.wire import triton_config


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonModel:
    """All of it but its files."""

    folder: str
    """Where labels lie, and the version folders."""
    config: str = ""
    """Completed and checked: the message in base64; empty where there is a `fault`."""
    fault: str = ""
    """Why it cannot be loaded; empty: nothing is known that is wrong."""

    @property
    def parsed(self) -> TritonModelConfig:
        """The config as values."""
        return _parsed(self.config)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> "TritonModel | None":
        """The opposite of `dataclasses.asdict`."""
        return None if values is None else cls(**values)


def text_of(config: TritonModelConfig) -> str:
    """A config as `TritonModel.config` has it."""
    return base64.b64encode(config.message).decode("ascii")


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> TritonModelConfig:
    return reading.of_message(triton_config.parse_bytes(base64.b64decode(text)))
