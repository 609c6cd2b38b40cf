"""What a server is told, as frozen values; nothing else in it reads flags or yaml."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.torchserve.rules import StoreRules
from paddle_serving_server.config.trial_models import TrialModel
from paddle_serving_server.config.triton.model import TritonModel
from paddle_serving_server.config.triton.rules import RepositoryRules
from paddle_serving_server.config.versions import MOST_VERSIONS, VersionPolicy
from paddle_serving_server.engine.settings import ModelSettings, RunSettings
from paddle_serving_server.graph.workflow import OpNode

_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION_RULE: Final = "letters, digits, '.', '_' and '-' only, at most 64 of them, a letter or digit first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a caller may take: sizes in bytes, times in seconds."""

    max_body_bytes: int = 64 << 20
    """Largest request body, before and after decompression."""
    request_s: float = 60.0
    """Longest time from a whole request to its answer."""
    max_waiting: int = 1000
    """Requests that may wait for one engine; the next is refused at once."""
    max_inside: int = 0
    """Requests that may be inside one service with steps of its own, in each front; 0: 64, and 16 for each thread.

    Beyond those that threads work on, their bodies together have at most `max_body_bytes`.
    """
    max_connections: int = 4000
    """Open connections of one front; beyond, those that only wait for their peer make room for others."""
    idle_s: float = 75.0
    """Longest silence between two requests of a connection."""
    head_s: float = 10.0
    """Longest time for the first bytes, and for the head of a request."""
    stall_s: float = 30.0
    """Longest time without progress in sending a body to us, or in taking an answer from us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSettings(RunSettings):
    """How one version is run, where each has settings of its own."""

    is_loaded: bool = True
    """Whether it is to answer; otherwise it is registered, and nothing of it is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel(ModelSettings):
    """A model that is served as it is: an entry of the registry."""

    name: str
    versions: VersionPolicy = field(default_factory=VersionPolicy)
    """Which numbered versions of the folder are served."""
    paths: tuple[tuple[str, str], ...] = ()
    """Versions that have a path of their own, in the place of numbered folders: (version, path)."""
    own: tuple[tuple[str, VersionSettings], ...] = ()
    """Of `paths`: (version, settings), in the place of those above."""
    default_version: str = ""
    """What answers who asks for no version; empty: the highest number."""
    labels: tuple[tuple[str, str], ...] = ()
    """Other names of versions: (label, version)."""
    triton: TritonModel | None = None
    """Of a model that comes out of a repository of Triton's."""
    nodes: tuple[OpNode, ...] = ()
    """Where several models, or an op of its own, are behind the name; `folder` is the first of them."""
    ends: tuple[str, ...] = ()
    """Names of the nodes whose outputs are the answer."""

    def __post_init__(self) -> None:
        for what, value, most in (("rows", self.max_rows, 65536), ("instances", self.instances, 256)):
            if not 0 <= value <= most:
                raise BadConfig(f"model {self.name!r}: {what} must be from 0 to {most}, got {value}")
        if not 0 <= (self.max_wait_ms or 0) <= 60_000:
            raise BadConfig(f"model {self.name!r}: wait_ms must be from 0 to 60000, got {self.max_wait_ms}")
        if self.nodes and (self.paths or not self.versions.follows):
            raise BadConfig(f"model {self.name!r} is a chain, which is served in its newest version")
        if len(self.paths) > MOST_VERSIONS or len(self.labels) > MOST_VERSIONS:
            raise BadConfig(f"model {self.name!r}: at most {MOST_VERSIONS} versions and as many labels")
        for name in (*dict(self.paths), *dict(self.labels)):
            if not _VERSION.fullmatch(name):
                raise BadConfig(f"model {self.name!r}: a version or label has {_VERSION_RULE}, got {name[:64]!r}")

    @property
    def folders(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(node.folder for node in self.nodes) or (self.folder,)

    @classmethod
    def _restored(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **super(ServedModel, cls)._restored(values),
            "triton": TritonModel.from_dict(values["triton"]),
            "nodes": tuple(map(OpNode.from_dict, values["nodes"])),
            "ends": tuple(values["ends"]),
            "versions": VersionPolicy.from_dict(values["versions"]),
            "paths": tuple((version, path) for version, path in values["paths"]),
            "own": tuple((version, VersionSettings.from_dict(own)) for version, own in values["own"]),
            "labels": tuple((label, version) for label, version in values["labels"]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a server needs to know."""

    host: str = "0.0.0.0"
    port: int = 9393
    apis: tuple[str, ...] = ()
    """The families of callers that are answered on the first port; empty: all."""
    roles: tuple[str, ...] = ()
    """What may be asked for there; empty: everything."""
    extra_ports: tuple[int, ...] = ()
    """More ports, where everything is as on the first."""
    listen: tuple[Listening, ...] = ()
    """More addresses, with what is answered at each."""
    fronts: int = 1
    """Processes that accept connections and run pre- and postprocessing."""
    threads: int = 4
    """Threads of one front for pre- and postprocessing."""
    models: tuple[ServedModel, ...] = ()
    services: tuple[str, ...] = ()
    """Files with WebService subclasses."""
    allow_broken_models: bool = False
    """Whether the server goes on without the models that cannot be loaded at its start."""
    service_argv: tuple[str, ...] = ()
    """What those files find in `sys.argv`."""
    options: ModelOptions = field(default_factory=ModelOptions)
    """For models of service files, where these do not say otherwise."""
    max_rows: int = 0
    """Largest batch, in rows; 0: what measured best."""
    tune_s: float = 20.0
    """How long to measure which library runs a new model fastest, in seconds; 0: not at all."""
    max_wait_ms: float = 0.0
    """Longest time a request waits for company."""
    instances: int = 0
    """Engine processes of each model; 0: what was measured, else one."""
    reload_interval_s: float = 10.0
    """How often model folders are looked at for a new version, in seconds; 0: never."""
    reload_code: bool = False
    """Whether changed service files are taken while the server runs."""
    load_timeout_s: float = 120.0
    """Longest time for a new version to load, in seconds; the first one takes what it takes."""
    manage_from: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks that may ask for reloads and other changes."""
    manage_token: str = field(default="", repr=False)
    """What they have to send for it; empty: nothing."""
    variants: tuple[TrialModel, ...] = ()
    """Models that answer a part of a service's requests in the place of its own."""
    shadows: tuple[TrialModel, ...] = ()
    """Models that get copies of requests, for their answers to be compared."""
    shadow_tolerance: float = 1e-3
    """How far a shadow's output may be off to count as equal, as a part of the output's largest value."""
    variant_by_log_id: bool = False
    """Whether requests with the same log_id get the same variant."""
    cache_bytes: int = 0
    """Memory of each front for answers that were given before; 0: none is kept."""
    has_served: bool = False
    """Whether the server has answered before: a front that then takes the place of another lets callers wait."""
    counters: str = ""
    """The memory where all processes count; the supervisor says which."""
    enable_prometheus: bool = False
    """Whether there are metrics for Prometheus."""
    grace_s: float = 30.0
    """Longest time for requests in work when the server stops."""
    key: str = field(default="", repr=False)
    """Of encrypted models, base64; it is in no log, no argument and no file."""
    key_host: str = ""
    """Where to wait for the key before anything is served; empty: nowhere."""
    encryption_rpc_port: int = 12000
    """After the key has come: the first port that is tried for the server itself."""
    limits: Limits = field(default_factory=Limits)
    torchserve: StoreRules | None = None
    """Of a server that takes TorchServe's place; None: it is none."""
    triton: RepositoryRules | None = None
    """Of a server that has model repositories of Triton's; None: it has none."""
    log_level: str = "INFO"

    @property
    def addresses(self) -> tuple[Listening, ...]:
        """All of them."""
        first = Listening(host=self.host, port=self.port, apis=self.apis, roles=self.roles)
        return (first, *(Listening(host=self.host, port=port) for port in self.extra_ports), *self.listen)

    def to_json(self) -> str:
        """For the way to a front process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "ServerConfig":
        """The opposite of `to_json`."""
        said = json.loads(text)
        models = tuple(ServedModel.from_dict(m) for m in said["models"])
        tuples = {
            key: tuple(said[key]) for key in ("services", "service_argv", "manage_from", "extra_ports", "apis", "roles")
        }
        tuples |= {key: tuple(TrialModel(**m) for m in said[key]) for key in ("variants", "shadows")}
        tuples["listen"] = tuple(Listening.from_dict(m) for m in said["listen"])
        values = {"models": models, "options": ModelOptions(**said["options"]), "limits": Limits(**said["limits"])}
        values["torchserve"] = StoreRules.from_dict(said["torchserve"])
        values["triton"] = RepositoryRules.from_dict(said["triton"])
        return cls(**{**said, **tuples, **values})
