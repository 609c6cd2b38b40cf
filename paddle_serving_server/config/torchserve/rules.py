"""What a running server has to know of TorchServe's settings: where archives are, and how models are run by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRules:
    """Of all models that come from one store."""

    store: str
    """The folder with the archives; empty: there is none, and nothing can be registered."""
    workers: int = 0
    """Engine processes of a model that says nothing of it, when it is registered."""
    response_timeout_s: int = 120
    startup_timeout_s: int = 120
    job_queue_size: int = 100
    decodes_input: bool = True
    """Whether JSON and text come decoded to a handler."""
    limits_image_pixels: bool = True
    has_model_api: bool = False
    """Whether models may be registered and removed over the API."""
    inference_token: str = field(default="", repr=False)
    """What callers of predictions have to send; empty: nothing."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> "StoreRules | None":
        """The opposite of `dataclasses.asdict`."""
        return None if values is None else cls(**values)
