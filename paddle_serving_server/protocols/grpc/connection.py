"""The server's end of an HTTP/2 connection as h2 keeps it: what it announces to a peer, and how it says goodbye."""

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from paddle_serving_server.protocols.grpc.headers import MAX_HEADER_BYTES
from paddle_serving_server.protocols.grpc.incoming import FREE_BYTES

MAX_OPEN_CALLS: Final = 100
_READ_HEADER_BYTES: Final = 256 << 10
"""Headers that are read at all, as HTTP/2 counts them: with more the connection ends, not only the call."""
MAX_FRAME_BYTES: Final = 256 << 10
LARGEST_WINDOW: Final = (1 << 31) - 1


def server_connection() -> H2Connection:
    """A connection whose first words, its settings and its open window, are ready to be sent."""
    # h2 writes every frame out in hexadecimal digits for its log, whether it has one or not: about half of the time of
    # a small call, and most of that of a large message. An object's plain description costs nothing.
    Frame.__repr__ = object.__repr__  # type: ignore[method-assign]
    h2 = H2Connection(
        H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,  # `headers` does, call by call
            validate_outbound_headers=False,  # they are ours
            normalize_outbound_headers=False,
        )
    )
    h2.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: MAX_OPEN_CALLS,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
            SettingCodes.INITIAL_WINDOW_SIZE: FREE_BYTES,
            SettingCodes.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
        },
    )
    h2.max_inbound_frame_size = MAX_FRAME_BYTES
    h2.decoder.max_header_list_size = _READ_HEADER_BYTES
    h2.initiate_connection()
    # What bounds memory is the windows of the calls; that of the connection is kept out of the way.
    h2.increment_flow_control_window(LARGEST_WINDOW - 65_535)
    return h2


def goodbye(last_call: int, code: ErrorCodes) -> bytes:
    """A GOAWAY frame, by hand: h2 takes its own for the end of the connection, and sends no answers after it."""
    return GoAwayFrame(0, last_stream_id=last_call, error_code=code).serialize()
