"""A model of a server that runs, with other batches and delays, by TorchServe's management API."""

import contextlib
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import urllib3

from paddle_serving_client.errors import BadConfig, ServingError, Unreachable
from paddle_serving_server.commands.load.request import Target
from paddle_serving_server.config.torchserve import key_file

_PREDICTIONS: Final = re.compile(r"/(?:predictions|explanations)/([^/?]+)(?:/([^/?]+))?/?(?:\?.*)?")
_LONGEST_S: Final = 300.0


class NotChanged(ServingError):
    """The server does not take a setting."""


class LiveModel:
    """The model that a path asks for, at the address where it is managed."""

    def __init__(self, target: Target, management: str, tokens: Mapping[str, str]) -> None:
        """Look at a model.

        Args:
            target: where predictions are asked for: `/predictions/NAME[/VERSION]`.
            management: http://HOST:PORT.
            tokens: see `read_tokens`.

        Raises:
            BadConfig: the path is none of a prediction. Unreachable, NotChanged: see `change`.
        """
        found = _PREDICTIONS.fullmatch(urllib.parse.unquote(target.path))
        if found is None:
            raise BadConfig(f"--management changes a model: expected /predictions/NAME, got {target.path}")
        self.target = target
        quoted = "/".join(urllib.parse.quote(part, safe="") for part in found.groups() if part)
        self._url = f"{management.rstrip('/')}/models/{quoted}"
        self._headers = header_of(tokens, key_file.MANAGEMENT)
        (described,) = json.loads(self._ask("GET", self._url))
        self.before = int(described["batchSize"]), float(described["maxBatchDelay"])
        """Its batch and delay, in milliseconds."""

    def change(self, batch: int, wait_ms: float) -> None:
        """Have batches of that size, which wait so long for company.

        Raises:
            Unreachable: nobody answers there. NotChanged: the server refuses it.
        """
        query = f"batch_size={batch}&max_batch_delay={round(wait_ms)}&synchronous=true"
        self._ask("PUT", f"{self._url}?{query}")

    @contextlib.contextmanager
    def changed(self, batch: int, wait_ms: float) -> Iterator[Target]:
        """The same, for a block."""
        self.change(batch, wait_ms)
        yield self.target

    def _ask(self, method: str, url: str) -> bytes:
        try:
            reply = urllib3.request(method, url, headers=self._headers, timeout=_LONGEST_S, retries=False)
        except (urllib3.exceptions.HTTPError, urllib3.exceptions.LocationValueError) as exc:
            raise Unreachable(f"{url}: {exc}") from exc
        if reply.status != 200:
            raise NotChanged(f"{method} {url}: {reply.status}: {reply.data[:512].decode(errors='replace').strip()}")
        return reply.data


def read_tokens(file: Path | None) -> dict[str, str]:
    """The tokens in a `key_file.json`, by what they are for; without a file there are none.

    Raises:
        BadConfig: it cannot be read, or has none.
    """
    if file is None:
        return {}
    try:
        keys = json.loads(file.read_text())
        return {kind: str(keys[kind]["key"]) for kind in key_file.EXPIRING}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadConfig(f"--key_file {file} has no tokens: {exc}") from exc


def header_of(tokens: Mapping[str, str], kind: str) -> dict[str, str]:
    """What a caller sends who has a token."""
    return {"Authorization": f"Bearer {tokens[kind]}"} if tokens else {}
