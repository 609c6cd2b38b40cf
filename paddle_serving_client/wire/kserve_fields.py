"""Parts of the protobuf messages of KServe v2 that many of them have: texts, and parameters by name."""

import struct
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from paddle_serving_client.errors import BadInput
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.kserve import WANTS_FINAL, Parameter, Parameters
from paddle_serving_client.wire.protobuf import BYTES as LENGTH
from paddle_serving_client.wire.protobuf import FIXED64, VARINT, MessageType, Part, bytes_field, number_field
from paddle_serving_client.wire.tensors import decoded_name, refuse_over

Fields: TypeAlias = Mapping[str, Sequence[memoryview]]
"""As `MessageType.read` gives them."""
_ENTRY: Final = MessageType(key=(1, LENGTH), value=(2, LENGTH))
_PARAMETER: Final = MessageType(
    bool_param=(1, VARINT),
    int64_param=(2, VARINT),
    string_param=(3, LENGTH),
    double_param=(4, FIXED64),
    uint64_param=(5, VARINT),
)
_MAX_PARAMETERS: Final = 256
_RESERVED: Final = "triton_"
_ALLOWED: Final = (WANTS_FINAL,)


def text(fields: Fields, name: str) -> str:
    """A field of text: the last one that came; empty where none did.

    Raises:
        BadPacket: not UTF-8. TooLarge: too long for a name.
    """
    return decoded_name(fields[name][-1], name) if name in fields else ""


def text_field(number: int, value: str) -> list[Part]:
    """A field of text; nothing where it is empty."""
    return bytes_field(number, value.encode()) if value else []


def parameters_of(fields: Fields) -> Parameters:
    """The field `parameters`, which a request, its inputs and its outputs have.

    Raises:
        BadPacket: not such messages. TooLarge: over a limit.
    """
    entries = fields.get("parameters", ())
    refuse_over("parameters", len(entries), _MAX_PARAMETERS)
    found: dict[str, Parameter] = {}
    for entry in entries:
        pair = _ENTRY.read(entry)
        value = _PARAMETER.read(pair["value"][-1]) if "value" in pair else {}
        found[text(pair, "key")] = _value(value)
    return found


def parameters_field(number: int, parameters: Parameters) -> list[Part]:
    """The field of such parameters."""
    parts: list[Part] = []
    for key, value in parameters.items():
        parts += bytes_field(number, *text_field(1, key), *bytes_field(2, *_parameter(value)))
    return parts


def _parameter(value: Parameter) -> list[Part]:
    if isinstance(value, bool):
        return [number_field(1, value)]
    if isinstance(value, int):
        return [number_field(2, value)]
    if isinstance(value, float):
        return [protobuf.varint(4 << 3 | FIXED64), struct.pack("<d", value)]
    return bytes_field(3, value.encode())


def _value(got: Fields) -> Parameter:
    if "bool_param" in got:
        return protobuf.last_number(got, "bool_param") != 0
    if "int64_param" in got:
        return protobuf.signed(protobuf.last_number(got, "int64_param"))
    if "double_param" in got:
        (number,) = struct.unpack("<d", got["double_param"][-1])
        return float(number)
    if "uint64_param" in got:
        return protobuf.last_number(got, "uint64_param")
    return text(got, "string_param")


def refuse_reserved(parameters: Parameters) -> None:
    """Refuse parameters of a request that no caller may send, or not of this kind.

    Raises:
        BadInput: the text names them.
    """
    for key, value in parameters.items():
        if key.startswith(_RESERVED) and key not in _ALLOWED:
            raise BadInput(
                "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys "
                f"starting with 'triton_' are allowed: {', '.join(_ALLOWED)}"
            )
        if key == "timeout" and type(value) is not int:
            raise BadInput("invalid value type for 'timeout' parameter, expected int64_param.")
