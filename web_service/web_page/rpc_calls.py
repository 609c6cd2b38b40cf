"""Numbers over RPC: a client for each description that a service has had, values to arrays, spans to a header."""

import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import numpy as np

from paddle_serving_client import Client
from paddle_serving_client.dtype import ELEM_TYPES, UNKNOWN
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.model_config import CLIENT_CONFIG, ModelSpec, Variable, to_text
from paddle_serving_client.profiler import Span
from web_page.config import PageConfig

JsonObject: TypeAlias = Mapping[str, Any]
_spans: ContextVar[Sequence[Span]] = ContextVar("spans")
"""Of the last call over RPC of this thread."""


@dataclass(slots=True)
class RpcCalls:
    """Those to one model server."""

    config: PageConfig
    _clients: dict[str, Client] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def predict(
        self,
        service: str,
        inputs: Sequence[JsonObject],
        outputs: Sequence[JsonObject],
        feed: JsonObject,
        fetch: Sequence[str],
    ) -> tuple[JsonObject, str]:
        """`Client.predict` with one item; a batch axis of 1 is added to every input.

        Args:
            service: its name.
            inputs, outputs: as `/services` describes them.
            feed: values by input.
            fetch: outputs wanted; empty means all.

        Returns:
            The outputs by name, as JSON has them, and where the time went, as a `Server-Timing` header.

        Raises:
            BadInput: a value that cannot become the input's array.
        """
        spec = ModelSpec(_variables(inputs), _variables(outputs))
        arrays = {variable.alias: _array(variable, feed.get(variable.alias)) for variable in spec.feeds}
        client = self._client(service, spec)
        found = client.predict(feed=arrays, fetch=list(fetch) or None, batch=True)
        return {name: _jsonable(values.tolist()) for name, values in found.items()}, _server_timing(_spans.get())

    def _client(self, service: str, spec: ModelSpec) -> Client:
        """One connected client for each description a service has had; `predict` may run in several threads."""
        text = to_text(spec)
        with self._lock:
            client = self._clients.get(service + text)
            if client is None:
                client = self._clients[service + text] = self._connect(text)
        return client

    def _connect(self, config_text: str) -> Client:
        parts = urlsplit(self.config.server)
        client = Client(raise_errors=True)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, CLIENT_CONFIG).write_text(config_text, encoding="utf-8")
            client.load_client_config(folder)
        client.profile(_keep_spans)
        client.set_rpc_timeout_ms(int(self.config.timeout_s * 1000))
        client.connect([f"{parts.hostname}:{parts.port or 80}"])
        return client


def _keep_spans(spans: Sequence[Span]) -> None:
    _spans.set(spans)


def _server_timing(spans: Sequence[Span]) -> str:
    """The spans of a call over RPC as a `Server-Timing` header that adds up to the call.

    The server's spans are what came before the model, the model, what came after it, and the whole.
    """
    ms = {name: (end - start) / 1000 for name, start, end in spans}
    if "op3" not in ms:
        return f"rpc;dur={ms['client_infer']:.3f}"  # another server, which does not say it like this
    parts = {"network": max(0.0, ms["client_infer"] - ms["op3"]), "before": ms["op0"], "infer": ms["op1"]}
    return ", ".join(f"{name};dur={value:.3f}" for name, value in {**parts, "after": ms["op2"]}.items())


def _variables(described: Sequence[JsonObject]) -> tuple[Variable, ...]:
    codes = {row.name: code for code, row in ELEM_TYPES.items()}
    rows = ((item["name"], codes.get(item.get("dtype", ""), UNKNOWN), item.get("shape", [])) for item in described)
    return tuple(Variable(name, name, elem_type, _item_shape(shape)) for name, elem_type, shape in rows)


def _item_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Without the batch axis, which a description may name as a leading -1."""
    return tuple(shape[1:] if shape and shape[0] == -1 else shape)


def _array(variable: Variable, values: object) -> Array:
    """One item with its batch axis of 1; `Client.predict` judges the values."""
    if values is None:
        raise BadInput(f"input {variable.alias!r} is missing")
    try:
        array = np.asarray(values)
    except ValueError as exc:
        raise BadInput(f"input {variable.alias!r} has lists of different lengths") from exc
    fixed = -1 not in variable.shape and bool(variable.shape)
    if fixed and array.size != np.prod(variable.shape):
        raise BadInput(f"input {variable.alias!r} takes {list(variable.shape)} values, got {array.size}")
    return array.reshape(1, *variable.shape) if fixed else array[np.newaxis]


def _jsonable(values: object) -> object:
    """NaN and infinities as words; JSON has no numbers for them."""
    if isinstance(values, list):
        return [_jsonable(value) for value in values]
    return values if not isinstance(values, float) or np.isfinite(values) else str(values)
