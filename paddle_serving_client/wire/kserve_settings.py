"""Settings of traces and of the log in KServe v2: requests to change them, and answers, as protobuf.

TraceSettingRequest {1 settings: map of {1 value, repeated}, 2 model_name}
LogSettingsRequest {1 settings: map of {1 bool_param, 2 uint32_param, 3 string_param}}
"""

from collections.abc import Mapping, Sequence
from typing import Final

from paddle_serving_client.wire.kserve_fields import text, text_field
from paddle_serving_client.wire.protobuf import BYTES, MessageType, Part, bytes_field, number_field
from paddle_serving_client.wire.tensors import refuse_over

Setting = bool | int | str | Sequence[str]
"""Of the log one of the first three, of traces one of the last two."""
_REQUEST: Final = MessageType(settings=(1, BYTES), model_name=(2, BYTES))
_ENTRY: Final = MessageType(key=(1, BYTES), value=(2, BYTES))
_MAX_SETTINGS: Final = 64


def decode_asked(message: bytes | memoryview) -> tuple[list[str], str]:
    """Which settings are to be changed, and of which model; none, and an empty name: all are only to be told.

    Raises:
        BadPacket: not such a message. TooLarge: too many settings.
    """
    got = _REQUEST.read(memoryview(message))
    entries = got.get("settings", ())
    refuse_over("settings", len(entries), _MAX_SETTINGS)
    return [text(_ENTRY.read(entry), "key") for entry in entries], text(got, "model_name")


def encode_trace(settings: Mapping[str, Setting]) -> bytes:
    """Write a `TraceSettingResponse`."""
    parts: list[Part] = []
    for name, value in sorted(settings.items()):
        values = [value] if isinstance(value, str) else value
        assert not isinstance(values, int)
        said = [part for one in values for part in bytes_field(1, one.encode())]
        parts += bytes_field(1, *text_field(1, name), *bytes_field(2, *said))
    return b"".join(parts)


def encode_log(settings: Mapping[str, Setting]) -> bytes:
    """Write a `LogSettingsResponse`."""
    parts: list[Part] = []
    for name, value in sorted(settings.items()):
        if isinstance(value, int):  # a truth value, too
            said: list[Part] = [number_field(1 if isinstance(value, bool) else 2, int(value))]
        else:
            said = bytes_field(3, str(value).encode())
        parts += bytes_field(1, *text_field(1, name), *bytes_field(2, *said))
    return b"".join(parts)
