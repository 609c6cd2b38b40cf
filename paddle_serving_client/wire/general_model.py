"""Messages of GeneralModelService as protobuf: bytes <-> values. The same messages as JSON: `general_model_json`.

What may not happen here: anything that grows before it was counted. Fields are read in place, numbers are counted
against the shape before they are decoded, and an array of floats is a read-only view of the message.

Messages: `proto/general_model.proto`.
"""

from paddle_serving_client.wire import protobuf, recall
from paddle_serving_client.wire.general_model_tensors import decode_tensors, encode_tensors, int64s, last_text
from paddle_serving_client.wire.protobuf import (
    BYTES,
    VARINT,
    MessageType,
    Part,
    bytes_field,
    number_field,
)
from paddle_serving_client.wire.tensors import (
    LITTLE,
    MAX_FETCH,
    MAX_OUTPUTS,
    MAX_PROFILE_TIMES,
    VARINT_CARRIERS,
    ModelOutput,
    WireRequest,
    WireResponse,
    WireTensor,
    decoded_name,
    refuse_over,
    row_of,
    string_tensor,
)

__all__ = [
    "ModelOutput",
    "WireRequest",
    "WireResponse",
    "WireTensor",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "string_tensor",
]

_REQUEST = MessageType(tensor=(1, BYTES), fetch_var_names=(2, BYTES), profile_server=(3, VARINT), log_id=(4, VARINT))
_OUTPUT = MessageType(tensor=(1, BYTES), engine_name=(2, BYTES))
_RESPONSE = MessageType(
    outputs=(1, BYTES),
    profile_time=(2, BYTES, VARINT),
    profile_server=(3, VARINT),
    log_id=(4, VARINT),
    err_no=(5, VARINT),
    err_msg=(6, BYTES),
)


def decode_request(payload: bytes | bytearray | memoryview) -> WireRequest:
    """Read a protobuf `Request`.

    Raises:
        BadPacket: not such a message.
        BadInput: a tensor that cannot be; the text names the tensor and the field.
        BadDType: a tensor of a type that is not known or cannot be served.
        TooLarge: over a limit; nothing was allocated for what is over it.
    """
    view = memoryview(payload).toreadonly()
    if len(view) <= recall.MAX_BYTES and (known := recall.recalled(view)) is not None:
        return known
    got = _REQUEST.read(view)
    fetch = got.get("fetch_var_names", ())
    refuse_over("fetch_var_names", len(fetch), MAX_FETCH)
    request = WireRequest(
        tensors=decode_tensors(got),
        fetch=tuple(decoded_name(name, "fetch_var_names") for name in fetch),
        profile_server=protobuf.last_number(got, "profile_server") != 0,
        log_id=protobuf.last_number(got, "log_id"),
    )
    if len(view) <= recall.MAX_BYTES:
        recall.remember(view, request)
    return request


def encode_request(request: WireRequest) -> bytes:
    """Write a protobuf `Request`, byte for byte as the client of 0.9 does.

    Raises:
        BadDType: an array of a type that has no code.
    """
    parts = encode_tensors(request.tensors)
    for name in request.fetch:
        parts += bytes_field(2, name.encode())
    if request.profile_server:
        parts.append(number_field(3, 1))
    if request.log_id:
        parts.append(number_field(4, request.log_id))
    return b"".join(parts)


def decode_response(payload: bytes | memoryview) -> WireResponse:
    """Read a protobuf `Response`. Raises as `decode_request` does."""
    got = _RESPONSE.read(memoryview(payload).toreadonly())
    outputs = got.get("outputs", ())
    refuse_over("outputs", len(outputs), MAX_OUTPUTS)
    return WireResponse(
        outputs=tuple(map(_decode_output, outputs)),
        profile_time=tuple(int64s(got, "profile_time", MAX_PROFILE_TIMES)),
        profile_server=protobuf.last_number(got, "profile_server") != 0,
        log_id=protobuf.last_number(got, "log_id"),
        err_no=protobuf.signed(protobuf.last_number(got, "err_no")),
        err_msg=last_text(got, "err_msg"),
    )


def encode_response(response: WireResponse) -> bytes:
    """Write a protobuf `Response`; what is at its default is left out, as proto3 has it.

    Raises:
        BadDType: an array of a type that has no code.
    """
    parts: list[Part] = []
    for output in response.outputs:
        parts += _output_parts(output)
    if response.profile_time:
        parts += bytes_field(2, protobuf.pack_few(response.profile_time))
    for number, value in ((3, response.profile_server), (4, response.log_id), (5, response.err_no)):
        if value:
            parts.append(number_field(number, value))
    if response.err_msg:
        parts += bytes_field(6, response.err_msg.encode())
    return b"".join(parts)


def around_values(output: ModelOutput) -> tuple[bytes, bytes] | None:
    """What stands before and after the values of an output in a `Response`.

    Returns:
        The same for all outputs that differ in values only; None where there are several tensors, or none with values
        of a fixed width.
    """
    if len(output.tensors) != 1:
        return None
    (tensor,) = output.tensors
    if tensor.lod or not tensor.array.size or row_of(tensor).code not in LITTLE:
        return None
    if row_of(tensor).carrier in VARINT_CARRIERS:
        return None
    parts = _output_parts(output)
    values = next(k for k, part in enumerate(parts) if isinstance(part, memoryview))
    return b"".join(parts[:values]), b"".join(parts[values + 1 :])


def profile_times(*times: int) -> bytes:
    """The field of a `Response` with the moments at which its steps began and ended, in microseconds."""
    return b"".join(bytes_field(2, protobuf.pack_few(times)))


def log_id_field(log_id: int) -> bytes:
    """The field of a `Response` that says which request it answers; empty for 0."""
    return number_field(4, log_id) if log_id else b""


def _output_parts(output: ModelOutput) -> list[Part]:
    inner = encode_tensors(output.tensors)
    if output.engine_name:
        inner += bytes_field(2, output.engine_name.encode())
    return bytes_field(1, *inner)


def _decode_output(message: memoryview) -> ModelOutput:
    got = _OUTPUT.read(message)
    return ModelOutput(tensors=decode_tensors(got), engine_name=last_text(got, "engine_name"))
