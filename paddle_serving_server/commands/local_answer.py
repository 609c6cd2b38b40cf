"""A model asked without a server: instances in JSON to the answer that a server would give, as text."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Instance


def parsed(raw: bytes, what: str) -> Any:
    """JSON as the server reads it.

    Raises:
        BadInput: it is none.
    """
    try:
        return json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as exc:
        raise BadInput(f"{what} is not JSON: {str(exc)[:200]}") from exc


def instances(body: Any) -> list[Instance]:
    """The instances of `{"feed": [...]}`.

    Raises:
        BadInput: there are none.
    """
    feed = body.get("feed") if isinstance(body, dict) else None
    if not isinstance(feed, list):
        raise BadInput('the body must be {"feed": [{...}], "fetch": [...]}')
    return feed


def fetched(body: Any) -> list[str]:
    """The outputs wanted, of such a body."""
    fetch = body.get("fetch", []) if isinstance(body, dict) else []
    if not isinstance(fetch, list) or not all(isinstance(name, str) for name in fetch):
        raise BadInput('"fetch" must be a list of names')
    return fetch


def loaded(path: str | Path, backend: str = "") -> Any:
    """A model, in any layout, run once.

    Raises:
        BadModel, BadConfig, MissingLibrary: as `Model.load`.
    """
    from paddle_serving_app.backend import ModelOptions  # not for who asks a service
    from paddle_serving_app.model import Model

    return Model.load(path, ModelOptions(backend=backend), 0.0)


def answer(model: Any, feed: Sequence[Instance], fetch: Sequence[str]) -> str:
    """What `POST /NAME/prediction` answers to these instances.

    Raises:
        ServingError: there is no answer.
    """
    from paddle_serving_server.engine.feed import as_json, tensors_and_lods
    from paddle_serving_server.services import json_result

    signature = model.signature
    arranged = signature.arrange(*tensors_and_lods(signature, feed))
    arrays = model.run(arranged).arrays
    outputs = {signature.outputs[k].alias: arrays[k] for k in signature.select(fetch)}
    return json_result.dumps(as_json(outputs)).decode()


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is not JSON")
