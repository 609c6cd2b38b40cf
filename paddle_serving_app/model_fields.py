"""The fields that callers name, where a model says them: `fields.yml` in its folder, or the metadata of an ONNX file.

What is found travels with the signature as one text, so that fields and weights are always of the same version.
"""

import functools
import json
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from paddle_serving_app import model_files, safe_yaml
from paddle_serving_app.ops import tabular_file
from paddle_serving_app.ops.tabular import Table
from paddle_serving_app.signature import Input, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, BadModel, BadPacket, TooLarge
from paddle_serving_client.io.source import FIELDS
from paddle_serving_client.manifest import open_inside, open_regular
from paddle_serving_client.wire.protobuf import BYTES, MessageType

METADATA_KEY: Final = "fields"
"""Of the entry in the metadata of an ONNX file."""

_MODEL: Final = MessageType(metadata=(14, BYTES))
_ENTRY: Final = MessageType(key=(1, BYTES), value=(2, BYTES))
_MAX_PARTS: Final = 1 << 20


def text_of(folder: Path, inputs: Sequence[Input]) -> str:
    """What a folder says of its model's fields, checked, as JSON; empty where it says nothing.

    Raises:
        BadModel: it cannot be read, or does not fit the model.
    """
    try:
        if (folder / FIELDS).exists():
            where = str(folder / FIELDS)
            with open_inside(folder, FIELDS) as stream:
                raw = stream.read(safe_yaml.MAX_BYTES + 1)
        elif (path := model_files.onnx_model(folder)) is not None and (found := _metadata(path)) is not None:
            where, raw = f"{path}: metadata {METADATA_KEY!r}", found
        else:
            return ""
        described = safe_yaml.load(raw, where)
        _table(described, inputs, where)
        return json.dumps(described, allow_nan=False)
    except (BadConfig, TypeError, ValueError) as exc:  # a date, which JSON does not have
        raise BadModel(str(exc)) from exc


def table_of(signature: Signature) -> Table | None:
    """The fields that a loaded model takes; None where it has none but its inputs."""
    return _parsed(signature.fields, signature.inputs) if signature.fields else None


@functools.lru_cache(maxsize=256)
def _parsed(text: str, inputs: tuple[Input, ...]) -> Table:
    return _table(json.loads(text), inputs, "the fields of the model")


def _table(described: object, inputs: Sequence[Input], where: str) -> Table:
    dtypes: dict[str, np.dtype[Any]] = {}
    for spec in inputs:
        kind = dtype.numpy_of(spec.elem_type)
        if kind is None:
            raise BadConfig(f"{where}: input {spec.alias!r} is {dtype.name_of(spec.elem_type)}, which takes no fields")
        dtypes[spec.alias] = kind
    return tabular_file.table(described, inputs, dtypes, where)


def _metadata(path: Path) -> bytes | None:
    """The entry of the metadata; large files are not read for it."""
    with open_regular(path) as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _entry(content)


def _entry(content: mmap.mmap) -> bytes | None:
    """The value as a copy: no view of the file may be left when it is closed."""
    found = None
    try:
        for part in _MODEL.read(memoryview(content), most=_MAX_PARTS).get("metadata", ()):
            entry = _ENTRY.read(part)
            if "key" in entry and bytes(entry["key"][-1]) == METADATA_KEY.encode():
                found = bytes(entry["value"][-1]) if "value" in entry else b""
    except (BadPacket, TooLarge):  # whoever loads the model says what is wrong with it
        return None
    return found
