"""What a file is that is not the model we look for: words for messages, told from its first bytes."""

from pathlib import Path

from paddle_serving_client.errors import BadModel
from paddle_serving_client.manifest import open_regular

HEAD_BYTES = 512

_MAX_NAMES = 8
_STARTS = (
    (b"PK\x03\x04", "a zip archive, as PyTorch writes .pt files; export the model to ONNX"),
    (b"\x89HDF", "an HDF5 file, as Keras writes; export the model to ONNX"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x7fELF", "a program or library of the operating system"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page; the download went wrong"),
    (b"<html", "a web page; the download went wrong"),
    (b"{", "a JSON file of another kind"),
)
_PICKLE_PROTOCOLS = range(2, 6)
_TAR_MAGIC_AT = 257


def head_of(path: Path, folder: Path) -> bytes:
    """The first `HEAD_BYTES` of a file.

    Raises:
        BadModel: it is missing (the message lists what is in `folder`), empty, or not a regular file.
    """
    if not path.exists():
        raise BadModel(f"{folder} has no file {path.name!r}: {describe_folder(folder)}")
    with open_regular(path) as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        raise BadModel(f"{path}: empty")
    return head


def describe_file(path: Path) -> str:
    """What a file seems to be."""
    with open_regular(path) as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        return "empty"
    for start, words in _STARTS:
        if head.startswith(start):
            return words
    if head[0] == 0x80 and len(head) > 1 and head[1] in _PICKLE_PROTOCOLS:
        return "a Python pickle, as .pt, .pkl and .pdparams files are; that is not an exported model"
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return "a tar archive; unpack it first"
    if head[8:10] == b'{"':
        return "a safetensors file, which holds weights without the program"
    return f"of an unknown kind (it begins with {head[:8]!r})"


def describe_folder(folder: Path) -> str:
    """What is in a folder."""
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    if not names:
        return "it is empty"
    if any(name.endswith((".pt", ".pth")) for name in names):
        hint = " (PyTorch weights; export the model to ONNX)"
    elif any(name.endswith(".pdparams") for name in names):
        hint = " (training weights; export the model with paddle.jit.save)"
    else:
        hint = ""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"it holds {', '.join(names[:_MAX_NAMES])}{more}{hint}"
