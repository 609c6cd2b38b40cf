"""A tensor as the body of a request, and of an answer: a .npy file, or nothing but its bytes.

A body is read in place: the array is a view of it.
"""

import io
import math
import re
from collections.abc import Mapping

import numpy as np

from paddle_serving_app.signature import Input, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire import npy
from paddle_serving_server.protocols.http.message import Body, HttpRequest, weight

NPY = "application/x-npy"
RAW = "application/octet-stream"
_NPY_NAMES = (NPY, "application/npy")
_KINDS = "biufSU"
"""Elements of arrays that are taken: numbers, and strings as numpy has them."""
_DIMENSIONS = re.compile(r"[0-9]{1,10}(,[0-9]{1,10}){0,15}")


def is_tensor(request: HttpRequest) -> bool:
    """Whether the body is a tensor; for a service that takes no files."""
    return request.content_type in (*_NPY_NAMES, RAW)


def read(request: HttpRequest, body: Body, signature: Signature) -> dict[str, Array]:
    """The tensor of a request, by the name of its input.

    Args:
        request: its query may have `input`, the input's name, and for bytes alone `shape`, as in `shape=1,3,224,224`.
        body: without Content-Encoding.
        signature: of the model. Bytes alone are of the input's type; without `shape` they have its shape, where one
            dimension may be left to the number of bytes.

    Raises:
        BadPacket: not a .npy file, or cut. BadInput: no such input, or the bytes do not make up the shape.
    """
    spec = _input(request, signature)
    if request.content_type in _NPY_NAMES:
        return {spec.alias: npy.view(body, "the body", _KINDS)}
    return {spec.alias: _from_bytes(body, spec, request)}


def wants_npy(request: HttpRequest) -> bool:
    """Whether the answer is to be a .npy file: it is named, and nothing says that JSON were better."""
    accepted = request.headers.get("accept", "")
    return (wanted := weight(accepted, *_NPY_NAMES)) > 0 and wanted >= weight(accepted, "application/json")


def to_npy(outputs: Mapping[str, Array]) -> bytes:
    """The one output as a .npy file.

    Raises:
        BadInput: there are several, or it is strings.
    """
    if len(outputs) != 1:
        names = ", ".join(map(repr, outputs))
        raise BadInput(f"a .npy answer has one output; choose with ?fetch=NAME from {names}")
    ((name, array),) = outputs.items()
    if array.dtype.hasobject:
        raise BadInput(f"output {name!r} is strings, for which .npy files have no place that keeps them; ask for JSON")
    return as_npy(array)


def as_npy(array: Array) -> bytes:
    """A .npy file of anything but strings; bfloat16, which the format cannot say, as float32."""
    if array.dtype == dtype.BFLOAT16:
        array = array.astype(np.float32)
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _input(request: HttpRequest, signature: Signature) -> Input:
    names = ", ".join(repr(i.alias) for i in signature.inputs)
    (name,) = request.query.get("input", ("",))[:1]
    if name:
        found = [i for i in signature.inputs if name in (i.alias, i.name)]
        if not found:
            raise BadInput(f"unknown input {name[:64]!r}; this model takes {names}")
        return found[0]
    if len(signature.inputs) != 1:
        raise BadInput(f"a body that is one tensor is for a model with one input; this one takes {names}: send JSON")
    return signature.inputs[0]


def _from_bytes(body: Body, spec: Input, request: HttpRequest) -> Array:
    kind = dtype.numpy_of(spec.elem_type)
    if kind is None or kind.hasobject:
        raise BadInput(f"input {spec.alias!r} is {dtype.name_of(spec.elem_type)}, which cannot be sent as bytes")
    if len(body) % kind.itemsize:
        raise BadInput(f"{len(body)} bytes are no whole number of {kind.name} values, {kind.itemsize} bytes each")
    array: Array = np.frombuffer(body, kind.newbyteorder("<"))
    (said,) = request.query.get("shape", ("",))[:1]
    if said:
        if not _DIMENSIONS.fullmatch(said):
            raise BadInput(f"shape must be as in shape=1,3,224,224, got {said[:64]!r}")
        shape = tuple(map(int, said.split(",")))
    else:
        shape = spec.shape
    open_axes = shape.count(-1)
    known = math.prod(d for d in shape if d != -1)
    if open_axes > 1 or not known or array.size % known or (not open_axes and array.size != known):
        hint = "" if said else "; say their shape with ?shape=1,3,224,224"
        raise BadInput(f"input {spec.alias!r} is {spec}: {array.size} values came, not {list(shape)}{hint}")
    return array.reshape(shape)
