"""`hf:USER/NAME`, or `hf:USER/NAME@REVISION`: a repository of the Hugging Face Hub.

`huggingface_hub` fetches it and knows the token (`HF_TOKEN`, or who logged in), the address (`HF_ENDPOINT`), the cache
(`HF_HOME`) and whether the network may be asked (`HF_HUB_OFFLINE`).
"""

from pathlib import Path
from typing import Final

from paddle_serving_client.errors import BadModel, MissingLibrary

_WANTED: Final = ["*.json", "*.txt", "*.model", "*.onnx", "*.onnx_data", "*.onnx.data", "*.safetensors", "*.bin"]
_UNWANTED: Final = ["training_args.bin", "optimizer.bin", "*/checkpoint-*", "openvino/*", "coreml/*"]


def fetched(address: str) -> Path:
    """The folder of the repository in the library's cache.

    Raises:
        MissingLibrary: `huggingface_hub` is not installed.
        BadModel: there is no such repository or revision, or it cannot be had.
    """
    try:
        import huggingface_hub
    except ImportError as exc:
        raise MissingLibrary(f"hf:{address} needs huggingface_hub: pip install huggingface_hub") from exc
    name, _, revision = address.partition("@")
    try:
        folder = huggingface_hub.snapshot_download(
            name, revision=revision or None, allow_patterns=_WANTED, ignore_patterns=_UNWANTED
        )
    except Exception as exc:  # of the library, of its HTTP client, of the disk
        raise BadModel(f"hf:{address}: {type(exc).__name__}: {str(exc).strip().splitlines()[0]}") from exc
    return Path(folder)
