"""TensorFlow's SavedModel: a folder with `saved_model.pb` and its variables, which are copied as they are.

One signature is served. Its keys are the names that callers use; what they are called in the graph are the real names.
"""

import re
from pathlib import Path
from typing import Final

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import saved_model, saved_model_subset
from paddle_serving_client.io.saved_model import SavedModel, Signature, Tensor
from paddle_serving_client.io.source import ModelFile, Names, Source, variable
from paddle_serving_client.manifest import open_regular
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire import tfserving
from paddle_serving_client.wire.tfserving import DataType

EXPECTED = f"{saved_model.NAME} with variables/ (TensorFlow)"

_HEAD = b"\x08\x01\x12"  # the version of the format, which is 1, then a graph
_VARIABLES: Final = "variables"
_SHARD: Final = re.compile(r"variables\.(index|data-\d{5}-of-\d{5})")
_TABLES: Final = re.compile(r"LookupTable|HashTable")
_CODES: Final = {
    kind: code for code, row in dtype.ELEM_TYPES.items() if (kind := tfserving.DATA_TYPES.get(row.name)) is not None
}
_MAX_SHOWN: Final = 8


def may_be_model(name: str) -> bool:
    """The one name that it has."""
    return name == saved_model.NAME


def claims(head: bytes) -> bool:
    """It begins with its version and its first graph."""
    return head.startswith(_HEAD)


def read(folder: Path, model: str, params: str | None, wanted: Names) -> Source:
    """Read a SavedModel; see `Format.read`. Its files keep their names: libraries know them by these."""
    path = folder / model
    if params is not None:
        raise BadModel(f"{path} is a SavedModel, whose variables are in {_VARIABLES}/; {params!r} was given")
    found = saved_model.read(path)
    signature = chosen(path, found, wanted.signature)
    _refuse_unservable(path, found, signature)
    others = sorted(name for name, other in found.signatures.items() if other is not signature and other.outputs)
    content = None
    if len(found.signatures) > 1:
        with open_regular(path) as stream:
            content = saved_model_subset.with_only(stream.read(), signature.name)
    files = [ModelFile(saved_model.NAME, (path,), content), *_variable_files(folder)]
    notes = [f"signature {signature.name}"] if signature.name != tfserving.SIGNATURE or others else []
    notes += [f"not served: signature {', '.join(others)}"] if others else []
    names = real_names(signature)
    feeds, fetches = (
        tuple(_variable(path, kind, tensor, names[tensor.key]) for tensor in tensors)
        for kind, tensors in (("input", signature.inputs), ("output", signature.outputs))
    )
    return Source("TensorFlow SavedModel", feeds, fetches, tuple(files), notes=tuple(notes))


def chosen(path: Path, model: SavedModel, wanted: str | None) -> Signature:
    """The signature that was asked for; else `serving_default`, else the only one that can be served.

    Raises:
        BadModel: there is none of that name, or it is open which one is meant.
    """
    names = ", ".join(sorted(model.signatures)) or "none"
    if wanted:
        if wanted not in model.signatures:
            raise BadModel(f"{path}: there is no signature {wanted[:64]!r}; there are: {names[:512]}")
        return model.signatures[wanted]
    if tfserving.SIGNATURE in model.signatures:
        return model.signatures[tfserving.SIGNATURE]
    usable = [signature for signature in model.signatures.values() if signature.inputs and signature.outputs]
    if len(usable) == 1:
        return usable[0]
    if not usable:
        raise BadModel(
            f"{path}: no signature has inputs and outputs (there are: {names[:512]}): save the model with signatures, "
            f"as tf.saved_model.save(model, folder, signatures=...) or model.export(folder)"
        )
    raise BadModel(f"{path}: there is no signature {tfserving.SIGNATURE!r}; say which of: {names[:512]}")


def real_names(signature: Signature) -> dict[str, str]:
    """What the inputs and outputs are called in the graph, by their keys: the key where two of them share a name."""
    names: dict[str, str] = {}
    for tensors in (signature.inputs, signature.outputs):
        every = [tensor.name for tensor in tensors]
        names |= {t.key: t.name if every.count(t.name) == 1 and t.name else t.key for t in tensors}
    return names


def _refuse_unservable(path: Path, model: SavedModel, signature: Signature) -> None:
    """Raise BadModel for what no library here computes, with the operator that asks for it."""
    for tensor in signature.inputs:
        if tensor.data_type == DataType.DT_STRING:
            op = model.consumer(tensor.name)
            by = f", which the operator {op} takes" if op else ""
            raise BadModel(
                f"{path}: input {tensor.key[:64]!r} of signature {signature.name!r} is a string{by}; strings in "
                f"TensorFlow's graphs are not served: save a signature that takes numbers, and make them before it"
            )
    tables = sorted({node.op for node in model.needed(signature) if _TABLES.search(node.op)})
    if tables:
        raise BadModel(
            f"{path}: signature {signature.name!r} looks things up in a table, which is not served (the operators "
            f"{', '.join(tables[:_MAX_SHOWN])}): save a signature that takes what the table gives"
        )


def _variable(path: Path, kind: str, tensor: Tensor, name: str) -> Variable:
    code = _CODES.get(DataType(tensor.data_type)) if tensor.data_type in tuple(DataType) else None
    if not tensor.name or code is None:
        what = "no plain tensor" if not tensor.name else f"of TensorFlow's type {tensor.data_type}"
        raise BadModel(f"{path}: {kind} {tensor.key[:64]!r} is {what}, which cannot be served")
    made = variable(name, code, tensor.shape or ())
    return Variable(name, tensor.key, made.elem_type, made.shape)


def _variable_files(folder: Path) -> list[ModelFile]:
    """The variables; a model without any has none."""
    home = folder / _VARIABLES
    names = sorted(path.name for path in home.iterdir() if _SHARD.fullmatch(path.name)) if home.is_dir() else []
    return [ModelFile(f"{_VARIABLES}/{name}", (home / name,)) for name in names]
