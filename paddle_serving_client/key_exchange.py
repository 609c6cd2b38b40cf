"""The handshake of an encrypted model: hand over the key, learn the port where the model is served."""

import json
from base64 import b64encode
from dataclasses import replace

from paddle_serving_client.brpc_connection import Address
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.http_channel import HttpAddress, HttpChannel

TIMEOUT_S = 600.0
"""The server loads the model before it answers, and measures what runs it fastest if it never did."""
_LONGEST_QUOTE = 200


def served_endpoint(endpoint: str, key: bytes | None) -> str:
    """Hand over the key to `host:port` and learn where the model is served: on the same host, another port.

    Raises:
        BadConfig: `endpoint` is not `host:port`; and as `served_port` does.
    """
    address = Address.parse(endpoint)
    port = served_port(HttpChannel(HttpAddress(address.host, address.port)), key)
    return str(replace(address, port=port))


def served_port(channel: HttpChannel, key: bytes | None) -> int:
    """Hand over the key and learn the port.

    Args:
        channel: to the key server.
        key: as its file has it; None to ask a server that has it already.

    Raises:
        BadConfig: the server does not serve; the text has what it said.
        Unreachable, DeadlineExceeded: it does not answer.
    """
    asked = {} if key is None else {"key": b64encode(key).decode()}
    reply = channel.post("/", json.dumps(asked).encode(), {"Content-Type": "application/json"}, TIMEOUT_S)
    try:
        said = json.loads(bytes(reply.body))
    except ValueError:
        said = None
    ports = said.get("endpoint_list") if isinstance(said, dict) else None
    if not (isinstance(ports, list) and ports and type(ports[0]) is int and 0 < ports[0] < 1 << 16):
        quote = bytes(reply.body[:_LONGEST_QUOTE]).decode(errors="replace")
        raise BadConfig(f"server not ready: {channel.address} answered {quote!r} (status {reply.status})")
    return ports[0]
