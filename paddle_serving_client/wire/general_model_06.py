"""Messages of GeneralModelService up to 0.6, which has the name of later ones: bytes <-> values.

    Request {1 insts FeedInst, 2 fetch_var_names, 3 profile_server, 4 log_id}
    Response {1 outputs {1 insts FetchInst, 2 engine_name}, 2 profile_time}

Where a later Request has a tensor, which says at least its name, this one has a list of messages and nothing else.

Messages: `proto/general_model_06.proto`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from paddle_serving_client.errors import BadInput, BadPacket, TooLarge
from paddle_serving_client.wire import old_tensors, protobuf
from paddle_serving_client.wire.old_tensors import Input, Instance
from paddle_serving_client.wire.protobuf import BYTES, VARINT, MessageType, Part, bytes_field
from paddle_serving_client.wire.tensors import WireRequest, WireResponse

_FIRST_FIELD = 1 << 3 | BYTES
_REQUEST = MessageType(insts=(1, BYTES), fetch_var_names=(2, BYTES), profile_server=(3, VARINT), log_id=(4, VARINT))


@dataclass(frozen=True, slots=True, kw_only=True)
class OldRequest:
    """The message `Request`."""

    instances: tuple[Instance, ...]
    fetch: tuple[str, ...] = ()
    profile_server: bool = False
    log_id: int = 0

    def as_wire(self, inputs: Sequence[Input]) -> WireRequest:
        """The same request as it is sent today.

        Args:
            inputs: of the model, in the order of its config: tensors came in that order.

        Raises:
            BadInput: tensors that are not for these inputs.
        """
        tensors = old_tensors.joined(self.instances, inputs)
        return WireRequest(tensors=tensors, fetch=self.fetch, profile_server=self.profile_server, log_id=self.log_id)


def claims(payload: bytes | bytearray | memoryview) -> bool:
    """Whether this is a `Request` of 0.6 and not one of 0.7 to 0.9; told by structure, nothing is allocated."""
    message = memoryview(payload)
    try:
        if len(message) > 2 and message[0] == _FIRST_FIELD:  # nearly always: a look at one byte decides
            _, at = protobuf.read_varint(message, 1)
            if message[at] != _FIRST_FIELD:
                return False
        instances = _REQUEST.read(message).get("insts", ())
    except (BadPacket, TooLarge, IndexError):
        return False  # whoever reads it says what is wrong with it
    return bool(instances) and all(map(_is_instance, instances))


def decode_request(payload: bytes | bytearray | memoryview) -> OldRequest:
    """Read a protobuf `Request` of 0.6.

    Raises:
        BadPacket: not such a message. BadInput: nothing in it. TooLarge: over a limit.
    """
    got = _REQUEST.read(memoryview(payload).toreadonly())
    instances = old_tensors.decode_instances(got.get("insts", ()))
    if not instances:
        raise BadInput("the request has no insts")
    return OldRequest(
        instances=instances,
        fetch=old_tensors.names(got, "fetch_var_names"),
        profile_server=protobuf.last_number(got, "profile_server") != 0,
        log_id=protobuf.last_number(got, "log_id"),
    )


def encode_response(response: WireResponse, request: OldRequest) -> bytes:
    """Write a protobuf `Response` of 0.6: outputs in the order asked for, times only if asked for.

    Raises:
        BadInput: an output was asked for that is not there. BadDType: an output cannot be said in this form.
    """
    parts: list[Part] = []
    for output in response.outputs:
        parts += bytes_field(1, *old_tensors.encode_output(old_tensors.picked(output, request.fetch)))
    if request.profile_server:
        parts += bytes_field(2, protobuf.pack_few(response.profile_time))
    return b"".join(parts)


def _is_instance(message: memoryview) -> bool:
    """Whether there are messages of field 1 in it, and nothing else: a tensor of today has a name besides."""
    at = 0
    while at < len(message):
        if message[at] != _FIRST_FIELD:
            return False
        size, at = protobuf.read_varint(message, at + 1)
        at += size
    return at == len(message) > 0
