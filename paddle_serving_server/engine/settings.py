"""What an engine process is told, and how it says that it cannot start. Imports nothing heavy: others read it too."""

import json
from dataclasses import asdict, dataclass

from paddle_serving_app.backend import ModelOptions

EXIT_CANNOT_START = 3
"""Exit status of a child process whose model or services cannot be loaded: starting it again would not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """One engine, as its supervisor tells it."""

    folder: str
    options: ModelOptions
    max_rows: int = 0
    """Largest batch, in rows of axis 0; 0: what measured best."""
    tune_s: float = 0.0
    """How long to measure which library is the fastest, where that is not known yet, in seconds."""
    max_wait_ms: float = 0.0
    """Longest time the oldest request waits for company, in milliseconds."""
    log_level: str = "INFO"

    def to_json(self) -> str:
        """For the way to the engine process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "EngineConfig":
        """The opposite of `to_json`."""
        said = json.loads(text)
        return cls(**{**said, "options": ModelOptions(**said["options"])})
