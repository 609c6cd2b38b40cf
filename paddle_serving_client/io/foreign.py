"""What a file or folder is that is not the model we look for: words for messages, told from names and first bytes."""

import zipfile
from pathlib import Path, PurePosixPath

from paddle_serving_client.errors import BadModel
from paddle_serving_client.manifest import open_regular

HEAD_BYTES = 512

_MAX_NAMES = 8
_MAX_ARCHIVE_BYTES = 16 << 30
_MAX_ARCHIVE_NAMES = 10_000
_STARTS = (
    (b"\x89HDF", "an HDF5 file, as Keras writes; export the model to ONNX"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x7fELF", "a program or library of the operating system"),
    (b"GGUF", "a GGUF file, as llama.cpp reads; it is not served here"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page; the download went wrong"),
    (b"<html", "a web page; the download went wrong"),
    (b"{", "a JSON file of another kind"),
)
_ZIP = b"PK\x03\x04"
_PICKLE_PROTOCOLS = range(2, 6)
_TAR_MAGIC_AT = 257
_ENDINGS = {
    ".pb": "a TensorFlow graph; save the model as a SavedModel, or export it to ONNX (python -m tf2onnx.convert)",
    ".engine": "a TensorRT engine, which runs on one kind of GPU only; give the ONNX model it was made of",
    ".plan": "a TensorRT engine, which runs on one kind of GPU only; give the ONNX model it was made of",
    ".pdiparams": "the parameters of a Paddle program; give the program beside them, or their folder",
}
"""What has no first bytes to tell it by."""


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
    if head.startswith(_ZIP):
        return _describe_zip(path)
    if head[0] == 0x80 and len(head) > 1 and head[1] in _PICKLE_PROTOCOLS:
        return "a Python pickle, as .pt, .pkl and .pdparams files are; that is not an exported model"
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return "a tar archive; unpack it first"
    if head[8:10] == b'{"':
        return "a safetensors file, which holds weights without the program; export the model to ONNX"
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model; export the model to ONNX (python -m tf2onnx.convert --tflite)"
    return _ENDINGS.get(path.suffix.lower(), f"of an unknown kind (it begins with {head[:8]!r})")


def describe_folder(folder: Path) -> str:
    """What is in a folder."""
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    if not names:
        return "it is empty"
    hint = _hint(names)
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"it holds {', '.join(names[:_MAX_NAMES])}{more}{f' ({hint})' if hint else ''}"


def _hint(names: list[str]) -> str:
    """What a folder with these names is, where it is something that people often have."""

    def has(*endings: str) -> bool:
        return any(name.endswith(endings) for name in names)

    if "serving_client_conf.prototxt" in names and "serving_server_conf.prototxt" not in names:
        return "the folder for clients; give the server's"
    if "saved_model.pb" in names:
        return "a TensorFlow SavedModel, whose saved_model.pb is empty or damaged"
    if "config.json" in names and has(".safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"):
        return "a model of Hugging Face; export it to ONNX with optimum-cli export onnx"
    if "config.pbtxt" in names:
        return "a model of a Triton repository"
    if has(".pt", ".pth", ".ckpt"):
        return "PyTorch weights; export the model to ONNX"
    if has(".safetensors"):
        return "weights without the program; export the model to ONNX"
    if has(".pdparams"):
        return "training weights; export the model with paddle.jit.save"
    return ""


def _describe_zip(path: Path) -> str:
    """What a zip archive holds, by the names in it."""
    usual = "a zip archive, as PyTorch writes .pt files; export the model to ONNX"
    try:
        if path.stat().st_size > _MAX_ARCHIVE_BYTES:
            return usual
        with zipfile.ZipFile(path) as archive:
            names = {PurePosixPath(name) for name in archive.namelist()[:_MAX_ARCHIVE_NAMES]}
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return usual
    if PurePosixPath("MAR-INF/MANIFEST.json") in names:
        return "a TorchServe archive; it is not served yet: export the model in it to ONNX"
    last = {name.name for name in names}
    if "constants.pkl" in last:
        return "a TorchScript model; it is not served yet: export the model to ONNX (torch.onnx.export)"
    if "model.weights.h5" in last:
        return "a Keras model; export it to ONNX (model.export(..., format='onnx'))"
    return usual
