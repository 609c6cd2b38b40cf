"""What a running server has to know of TorchServe's settings: where archives are, and how models are run by default."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    installs_requirements: bool = False
    """Whether an archive's `requirements.txt` is installed, beside the archive, before it is loaded."""
    allows_pickled_weights: bool = False
    """Whether weights may be pickled models, whose loading may run any code."""
    allowed_urls: tuple[str, ...] = ()
    """Patterns of addresses that archives may come from; none: they come from the store alone."""
    key_file: str = ""
    """Where the tokens are that callers have to send; empty: they send none."""
    token_minutes: float = 60.0
    """How long they are valid."""
    snapshots: str = ""
    """The folder that what is registered is written to; empty: it is written nowhere."""
    settings: tuple[tuple[str, str], ...] = ()
    """Those of `config.properties`, for snapshots."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> "StoreRules | None":
        """The opposite of `dataclasses.asdict`."""
        if values is None:
            return None
        settings = tuple((key, value) for key, value in values["settings"])
        return cls(**{**values, "allowed_urls": tuple(values["allowed_urls"]), "settings": settings})
