"""`hf:USER/NAME`, or `hf:USER/NAME@REVISION`: a repository of the Hugging Face Hub, through huggingface_hub.

The token, the cache, the address of the hub and whether it is asked at all are its own settings: HF_TOKEN, HF_HOME,
HF_ENDPOINT, HF_HUB_OFFLINE.
"""

from collections.abc import Sequence
from pathlib import Path

from paddle_serving_client.errors import BadModel, MissingLibrary


def fetched(name: str, patterns: Sequence[str]) -> Path:
    """See `source.Source.fetched`."""
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as exc:
        raise MissingLibrary("hf: needs huggingface_hub; pip install huggingface_hub") from exc
    repository, _, revision = name.partition("@")
    try:
        return Path(
            huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=list(patterns))
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as exc:
        raise BadModel(f"hf:{name}: {str(exc).strip().splitlines()[0]}") from exc
