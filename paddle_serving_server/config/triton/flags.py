"""What a command line for tritonserver says, as frozen values."""

from dataclasses import dataclass
from typing import Final, Literal

ControlMode = Literal["none", "poll", "explicit"]
EVERY_MODEL: Final = "*"
"""Of `--load-model`: all that the repositories have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonFlags:
    """What a command line for tritonserver says; what it leaves out is as Triton has it."""

    repositories: tuple[str, ...]
    """Paths; a model is in one of them only."""
    control_mode: ControlMode = "none"
    load_models: tuple[str, ...] = ()
    """To be loaded at start where the mode is explicit; `EVERY_MODEL` stands alone."""
    poll_s: float = 15.0
    """How often repositories are looked at where the mode is poll, in seconds."""
    allow_http: bool = True
    http_host: str = "0.0.0.0"
    http_port: int = 8000
    allow_grpc: bool = True
    grpc_host: str = "0.0.0.0"
    grpc_port: int = 8001
    allow_metrics: bool = True
    metrics_host: str = ""
    """Empty: as `http_host`."""
    metrics_port: int = 8002
    strict_config: bool = False
    """Whether configs have to say everything."""
    config_name: str = ""
    """Of the configs that count before config.pbtxt."""
    exit_on_error: bool = True
    """Whether a model that cannot be loaded at start ends the server."""
    strict_readiness: bool = True
    """Whether the server is ready only when all its models are."""
    exit_timeout_s: int = 30
    """How long calls may take that are under way when the server ends."""
    load_retries: int = 0
    request_timeout_s: int = 300
    """Longest time for one request, which Triton does not have."""
    tunes: bool = True
    """Whether it is measured which library runs a new model fastest."""
    max_body_bytes: int = 64 << 20
    log_level: str = "INFO"
    log_file: str = ""
    server_id: str = "triton"
    """The name in `GET /v2`, by which callers may know whom they ask."""
    default_max_batch_size: int = 4
    cache_bytes: int = 0
    """Of the answers that are kept, for models that want it; 0: none."""
    header_pattern: str = ""
    """Of the names of headers that reach a model as parameters of the request, as a regular expression."""
    maps: tuple[str, ...] = ()
    """`--map FOLDER=DIR`: paths of a container, and where they are here."""
    backend_policy: Literal["measured", "exact"] = "measured"
    """Which library runs a model: what measured fastest and right, or the one that its config names."""
    without_effect: tuple[str, ...] = ()
    """Flags that were given and change nothing, for people."""
    wants_help: bool = False
