"""`clearml:ID`: a model of ClearML's, through clearml, whose settings say which server is asked."""

from collections.abc import Sequence
from pathlib import Path

from paddle_serving_client.errors import BadModel, MissingLibrary


def fetched(name: str, patterns: Sequence[str]) -> Path:
    """See `source.Source.fetched`; packages are unpacked by clearml."""
    try:
        from clearml import InputModel
    except ImportError as exc:
        raise MissingLibrary("clearml: needs clearml; pip install clearml") from exc
    try:
        path = InputModel(model_id=name).get_local_copy(raise_on_error=True)
    except Exception as exc:  # clearml has no errors of its own
        raise BadModel(f"clearml:{name}: {type(exc).__name__}: {exc}") from exc
    if not path:
        raise BadModel(f"clearml:{name}: the server has no files of this model")
    return Path(path)
