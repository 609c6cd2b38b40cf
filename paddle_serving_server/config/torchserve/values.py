"""What TorchServe is told, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from paddle_serving_app.mar.settings import ModelSettings

ALL: Final = "all"
"""For `load_models`: every archive of the store."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one of the APIs is answered."""

    host: str
    port: int
    is_tls: bool = False

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine reaches it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class LoadModel:
    """A model to be loaded at the start."""

    url: str
    """An archive in the store, or where it is."""
    name: str = ""
    """Empty: that of its manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A version of a model, as `models={...}` and a snapshot have it."""

    archive: str
    """`marName`."""
    is_default: bool
    settings: ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """What browsers of other sites may ask; empty: nothing."""

    origin: str = ""
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files of the server's certificate."""

    private_key_file: str = ""
    certificate_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchServeConfig:
    """The settings that have an effect; `notes` say of all others why they have none."""

    inference: Address = Address("127.0.0.1", 8080)
    management: Address = Address("127.0.0.1", 8081)
    metrics: Address = Address("127.0.0.1", 8082)
    grpc_inference: Address = Address("127.0.0.1", 7070)
    grpc_management: Address = Address("127.0.0.1", 7071)
    model_store: str = ""
    workflow_store: str = ""
    """Empty: the model store."""
    load_models: tuple[LoadModel, ...] | str = ()
    """`ALL`, or some."""
    models: Mapping[str, Mapping[str, StoredModel]] = field(default_factory=dict)
    """By name and version."""
    workers_per_model: int | None = None
    """None: as many as there are processors."""
    job_queue_size: int = 100
    response_timeout_s: int = 120
    startup_timeout_s: int = 120
    unregister_timeout_s: int = 120
    max_request_bytes: int = 6_553_500
    max_response_bytes: int = 6_553_500
    decodes_input: bool = True
    """Whether JSON and text come decoded to a handler."""
    installs_requirements: bool = False
    allowed_urls: tuple[str, ...] = ()
    """Patterns of addresses that archives may come from; empty: from the store alone."""
    cors: Cors = Cors()
    tls: Tls | None = None
    metrics_mode: str = "log"
    has_metrics_api: bool = True
    needs_tokens: bool = True
    has_model_api: bool = False
    """Whether models may be registered and removed over the API."""
    token_expiration_min: int = 60
    limits_image_pixels: bool = True
    allows_pickled_weights: bool = False
    """Whether weights may be pickled models, whose loading may run any code."""
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The settings as they were given, for a snapshot."""
    notes: tuple[str, ...] = ()
    """For people: what is without effect, and why."""
