"""The inputs of a model as a form: a .npy file, or a text of JSON, in the field of each input's name.

curl -F image=@image.npy -F 'im_shape=[640, 640]' http://127.0.0.1:9393/detector/prediction
"""

import re
from collections.abc import Mapping
from typing import Final

from paddle_serving_app.signature import Input, Signature
from paddle_serving_client import instances
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_body, npy
from paddle_serving_server.protocols.http.form import Form

MEDIA_TYPE: Final = "multipart/form-data"
FETCH: Final = "fetch"
"""A field that is no input, unless one has that name."""
_KINDS: Final = "biufSU"
_BOUNDARY: Final = "tensors-4f1c2a7d9b"
_UNSAFE: Final = re.compile(r'["\r\n]')


def is_tensors(form: Form, signature: Signature) -> bool:
    """Whether all that a form carries are inputs."""
    return bool(form.parts) and form.parts.keys() <= _fields(signature).keys() | {FETCH}


def read(form: Form, signature: Signature) -> dict[str, Array]:
    """The tensors of a request, by the names of the fields, in the types of the inputs.

    A file is a tensor with its batch axis; a text is the value of one instance, as under `feed`. Values are cast where
    nothing is lost but precision.

    Raises:
        BadPacket: a file is no .npy file, or a text no JSON. BadInput: the values do not fit the input.
    """
    inputs = _fields(signature)
    return {inputs[name].alias: _tensor(form, name, inputs[name]) for name in form.parts if name in inputs}


def written(files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """A form of .npy files, by the names of their fields: its media type, with the boundary, and the body."""
    parts = []
    for name, file in files.items():
        field = _escaped(name)
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{field}.npy"\r\n'
        parts.append(f"{head}Content-Type: application/x-npy\r\n\r\n".encode() + file + b"\r\n")
    parts.append(f"--{_BOUNDARY}--\r\n".encode())
    return f"{MEDIA_TYPE}; boundary={_BOUNDARY}", b"".join(parts)


def _fields(signature: Signature) -> dict[str, Input]:
    """The inputs by what the fields are called, as browsers write that, too."""
    named = {i.name: i for i in signature.inputs} | {i.alias: i for i in signature.inputs}
    return {_escaped(name): spec for name, spec in named.items()} | named


def _escaped(name: str) -> str:
    return _UNSAFE.sub(lambda c: f"%{ord(c[0]):02X}", name)


def _tensor(form: Form, name: str, spec: Input) -> Array:
    if name not in form.fields:
        return instances.cast(spec, npy.view(form.parts[name], f"the file in field {name[:64]!r}", _KINDS))
    return instances.stacked(spec, [{spec.alias: json_body.loads(form.parts[name])}])
