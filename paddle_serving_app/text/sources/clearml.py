"""`clearml:ID`: a model of ClearML. Its library reads the addresses and keys from clearml.conf or `CLEARML_*`."""

from pathlib import Path

from paddle_serving_client.errors import BadModel, MissingLibrary


def fetched(address: str) -> Path:
    """The file or folder in the library's cache; archives are unpacked by it.

    Raises:
        MissingLibrary: `clearml` is not installed.
        BadModel: there is no such model, or it cannot be had.
    """
    try:
        import clearml
    except ImportError as exc:
        raise MissingLibrary(f"clearml:{address} needs clearml: pip install clearml") from exc
    try:
        found = clearml.InputModel(model_id=address).get_local_copy(raise_on_error=True)
    except Exception as exc:  # it raises ValueError and classes of its own
        raise BadModel(f"clearml:{address}: {type(exc).__name__}: {exc}") from exc
    if not found:
        raise BadModel(f"clearml:{address}: the model has no files that could be downloaded")
    return Path(found)
