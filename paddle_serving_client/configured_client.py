"""What every client of a model has: names, types and shapes as its config says, and the key of an encrypted model."""

from collections.abc import Sequence
from pathlib import Path

from paddle_serving_client import model_config
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.model_config import CLIENT_CONFIG, ModelSpec

MAX_LOG_ID = (1 << 64) - 1
_MAX_KEY_BYTES = 1 << 16


class ConfiguredClient:
    """The part of a client that knows the model and no server."""

    def __init__(self, raise_errors: bool = False) -> None:
        self.raise_errors = raise_errors
        self.key: bytes | None = None
        self._set_spec(ModelSpec((), ()))

    def load_client_config(self, model_config_path_list: str | Path | Sequence[str | Path]) -> None:
        """Read the model's config.

        Args:
            model_config_path_list: a client folder or its prototxt. Several, for models that run one after the other:
                inputs are those of the first, outputs those of the last.

        Raises:
            FileNotFoundError: there is no such file.
            BadConfig: a file is not a config.
        """
        self._set_spec(model_config.read_chain(model_config_path_list, CLIENT_CONFIG))

    def use_key(self, key_filename: str | Path) -> None:
        """Read the key of an encrypted model; `connect(..., encryption=True)` hands it to the server.

        Raises:
            OSError: the file cannot be read.
            BadConfig: it is empty, or too large to be a key.
        """
        with Path(key_filename).open("rb") as stream:
            key = stream.read(_MAX_KEY_BYTES + 1)
        if not 0 < len(key) <= _MAX_KEY_BYTES:
            raise BadConfig(f"{key_filename}: a key has 1 to {_MAX_KEY_BYTES} bytes")
        self.key = key

    def get_feed_names(self) -> list[str]:
        """Aliases of the inputs, in the order of the config."""
        return self.feed_names_

    def get_fetch_names(self) -> list[str]:
        """Aliases of the outputs, in the order of the config."""
        return self.fetch_names_

    def _set_spec(self, spec: ModelSpec) -> None:
        self._spec = spec
        self.feed_names_ = [var.alias for var in spec.feeds]
        self.fetch_names_ = [var.alias for var in spec.fetches]
        self.feed_shapes_ = {var.alias: list(var.shape) for var in spec.feeds}
        self.feed_types_ = {var.alias: var.elem_type for var in spec.feeds}
        self.feed_names_to_idx_ = {var.alias: k for k, var in enumerate(spec.feeds)}
        self.fetch_names_to_type_ = {var.alias: var.elem_type for var in spec.fetches}
        self.lod_tensor_set = {var.alias for var in (*spec.feeds, *spec.fetches) if var.is_lod}

    def _check_predict(self, log_id: object) -> None:
        """Raise TypeError or BadConfig when a call cannot be made."""
        if not isinstance(log_id, int) or not 0 <= log_id <= MAX_LOG_ID:
            raise TypeError(f"log_id must be an int from 0 to {MAX_LOG_ID}, got {log_id!r}")
        if not self._spec.feeds:
            raise BadConfig("call load_client_config() before predict()")
