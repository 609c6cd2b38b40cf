"""Inference calls of KServe v2 over gRPC: `ModelInferRequest` and `ModelInferResponse`, bytes <-> values.

    ModelInferRequest  {1 model_name, 2 model_version, 3 id, 4 parameters, 5 inputs, 6 outputs, 7 raw_input_contents}
    ModelInferResponse {1 model_name, 2 model_version, 3 id, 4 parameters, 5 outputs, 6 raw_output_contents}

Written by hand: tensors are views of the message, and no message is registered under a name that tritonclient has too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from paddle_serving_client import byte_strings
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import kserve, protobuf
from paddle_serving_client.wire.kserve import (
    BYTES,
    MAX_INPUTS,
    MAX_OUTPUTS,
    MAX_STRINGS,
    InferInput,
    InferRequest,
    InferResponse,
    RequestedOutput,
)
from paddle_serving_client.wire.kserve_fields import (
    Fields,
    parameters_field,
    parameters_of,
    refuse_reserved,
    text,
    text_field,
)
from paddle_serving_client.wire.protobuf import BYTES as LENGTH
from paddle_serving_client.wire.protobuf import FIXED32, FIXED64, VARINT, MessageType, Part, bytes_field
from paddle_serving_client.wire.tensors import MAX_RANK, read_only, refuse_over

SERVICE: Final = "inference.GRPCInferenceService"
_REQUEST: Final = MessageType(
    model_name=(1, LENGTH),
    model_version=(2, LENGTH),
    id=(3, LENGTH),
    parameters=(4, LENGTH),
    inputs=(5, LENGTH),
    outputs=(6, LENGTH),
    raw_input_contents=(7, LENGTH),
)
_INPUT: Final = MessageType(
    name=(1, LENGTH), datatype=(2, LENGTH), shape=(3, VARINT, LENGTH), parameters=(4, LENGTH), contents=(5, LENGTH)
)
_OUTPUT: Final = MessageType(name=(1, LENGTH), parameters=(2, LENGTH))
_CONTENTS: Final = MessageType(
    bool_contents=(1, VARINT, LENGTH),
    int_contents=(2, VARINT, LENGTH),
    int64_contents=(3, VARINT, LENGTH),
    uint_contents=(4, VARINT, LENGTH),
    uint64_contents=(5, VARINT, LENGTH),
    fp32_contents=(6, FIXED32, LENGTH),
    fp64_contents=(7, FIXED64, LENGTH),
    bytes_contents=(8, LENGTH),
)
_FIELD_OF: Final = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Where the values of a datatype are that are not raw; FP16 and BF16 are always raw."""
_TYPE_OF: Final = {"int_contents": "INT32", "uint_contents": "UINT32"} | {
    field: datatype for datatype, field in _FIELD_OF.items() if field not in ("int_contents", "uint_contents")
}
_FIXED: Final[Mapping[str, "np.dtype[np.floating]"]] = {
    "fp32_contents": np.dtype("<f4"),
    "fp64_contents": np.dtype("<f8"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """Which model is asked, and the message, of which nothing else is read yet."""

    model: str
    version: str
    fields: Fields


def decode_name(message: bytes | memoryview) -> Named:
    """Read whom a `ModelInferRequest` is for.

    Raises:
        BadPacket: not such a message.
    """
    got = _REQUEST.read(memoryview(message).toreadonly())
    return Named(text(got, "model_name"), text(got, "model_version"), got)


def decode_request(named: Named) -> InferRequest:
    """Read the rest of it.

    Raises:
        BadPacket: not such a message. BadInput: a tensor that cannot be. TooLarge: over a limit.
    """
    got, model = named.fields, named.model
    request_id = text(got, "id")
    items, raws, requested = got.get("inputs", ()), got.get("raw_input_contents", ()), got.get("outputs", ())
    refuse_over("inputs", len(items), MAX_INPUTS)
    refuse_over("outputs", len(requested), MAX_OUTPUTS)
    inputs = []
    for k, item in enumerate(items):
        fields = _INPUT.read(item, runs=True)
        raw = None if not raws else raws[k] if k < len(raws) else memoryview(b"")
        if raws and k >= len(raws):
            raise BadInput(
                f"unable to find data for input tensor '{text(fields, 'name')}' for model '{model}' in request."
            )
        inputs.append(_input(fields, raw, model, request_id))
    parameters = parameters_of(got)
    refuse_reserved(parameters)
    return InferRequest(
        id=request_id,
        parameters=parameters,
        inputs=tuple(inputs),
        outputs=tuple(map(_requested, requested)),
        is_binary=True,
    )


def encode_response(response: InferResponse) -> bytes:
    """Write a `ModelInferResponse`: tensors as raw bytes, in which tritonclient looks for them.

    Raises:
        BadInput: an output of a type that this protocol does not have.
    """
    parts: list[Part] = [*text_field(1, response.model), *text_field(2, response.version), *text_field(3, response.id)]
    parts += parameters_field(4, response.parameters)
    for output in response.outputs:
        shape = protobuf.pack_few(output.array.shape)
        datatype = kserve.datatype_of_array(output.array)
        tensor = [*text_field(1, output.name), *text_field(2, datatype), *(bytes_field(3, shape) if shape else ())]
        parts += bytes_field(5, *tensor)
    for output in response.outputs:
        parts += bytes_field(6, kserve.pack(output.array))
    return b"".join(parts)


def encode_stream_response(response: InferResponse) -> bytes:
    """Write a `ModelStreamInferResponse` {1 error_message, 2 infer_response} with an answer.

    Raises:
        BadInput: as `encode_response`.
    """
    return b"".join(bytes_field(2, encode_response(response)))


def encode_stream_error(text: str, request_id: str) -> bytes:
    """Write one that says that a request has no answer; the id tells which."""
    return b"".join([*bytes_field(1, text.encode()), *bytes_field(2, *text_field(3, request_id))])


# -- inputs and outputs


def _input(fields: Fields, raw: memoryview | None, model: str, request_id: str) -> InferInput:
    name, datatype = text(fields, "name"), text(fields, "datatype")
    if "shared_memory_region" in parameters_of(fields):
        raise BadInput(f"input '{name}' is in shared memory, which this server does not share with its callers")
    shape = _shape(name, fields)
    contents = _CONTENTS.read(fields["contents"][-1], runs=True) if "contents" in fields else {}
    if raw is not None and contents:
        raise BadInput(
            f"contents field must not be specified when using raw_input_contents for '{name}' for model '{model}'"
        )
    if raw is not None:
        return InferInput(name, datatype, kserve.unpack(name, datatype, shape, raw, model, request_id))
    return InferInput(name, datatype, _explicit(name, datatype, shape, contents, model, request_id))


def _shape(name: str, fields: Fields) -> list[int]:
    packed = protobuf.joined(fields["shape"]) if "shape" in fields else memoryview(b"")
    refuse_over(f"dimensions of input '{name}'", protobuf.count_varints(packed), MAX_RANK)
    return protobuf.unpack_few(packed)


def _explicit(
    name: str,
    datatype: str,
    shape: Sequence[int],
    contents: Fields,
    model: str,
    request_id: str,
) -> Array:
    """The tensor whose values are in the field for its type."""
    elements = kserve.elements_of(name, shape)
    expected = _FIELD_OF.get(datatype)
    for field in contents:
        if field != expected:
            raise BadInput(
                f"unexpected explicit tensor data for input tensor '{name}' for model '{model}' "
                f"of type '{_TYPE_OF[field]}', expected datatype '{datatype}'"
            )
    if expected is None:  # of no type, or of one that is always raw
        kserve.numpy_of(datatype, name)
        raise BadInput(f"unable to find data for input tensor '{name}' for model '{model}' in request.")
    parts = contents.get(expected, ())
    if datatype == BYTES:
        return _explicit_strings(name, elements, parts, model, request_id).reshape(shape)
    kind = kserve.numpy_of(datatype, name)
    packed = protobuf.joined(parts) if parts else memoryview(b"")
    fixed = _FIXED.get(expected)
    if fixed is not None and len(packed) % fixed.itemsize:
        raise BadPacket(f"{expected} of input '{name}' is cut")
    count = len(packed) // fixed.itemsize if fixed is not None else protobuf.count_varints(packed)
    if count != elements:
        size = kind.itemsize
        raise BadInput(
            f"{kserve.prefix(request_id)}input byte size mismatch for input '{name}' for model '{model}'. "
            f"Expected {elements * size}, got {count * size}"
        )
    if fixed is not None:
        return read_only(np.frombuffer(packed, fixed).reshape(shape))
    return read_only(_whole_numbers(name, datatype, protobuf.unpack_varints(packed), kind).reshape(shape))


def _whole_numbers(name: str, datatype: str, values: Array, kind: "np.dtype[np.generic]") -> Array:
    if kind.kind == "b":
        return np.not_equal(values, 0)
    if kind == np.dtype("<u8"):
        return values.view(kind)
    if values.size:
        bounds = np.iinfo(kind)  # type: ignore[type-var]  # a kind of whole numbers
        for value in (int(values.min()), int(values.max())):
            if not bounds.min <= value <= bounds.max:
                raise BadInput(f"input '{name}': {value} does not fit in {datatype}")
    return values.astype(kind)


def _explicit_strings(name: str, elements: int, parts: Sequence[memoryview], model: str, request_id: str) -> Array:
    refuse_over(f"strings of input '{name}'", len(parts), MAX_STRINGS)
    if len(parts) != elements:
        raise BadInput(
            f"{kserve.prefix(request_id)}expected {elements} string elements for inference input '{name}' "
            f"for model '{model}', got {len(parts)}"
        )
    return read_only(byte_strings.array_of([bytes(part) for part in parts], (len(parts),)))


def _requested(item: memoryview) -> RequestedOutput:
    fields = _OUTPUT.read(item)
    name, parameters = text(fields, "name"), parameters_of(fields)
    if "shared_memory_region" in parameters:
        raise BadInput(f"output '{name}' is in shared memory, which this server does not share with its callers")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise BadInput("invalid value type for 'classification' parameter, expected int64_param.")
    return RequestedOutput(name, classes, is_binary=True)
