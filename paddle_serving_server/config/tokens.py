"""The token of those who may change a server, as a file holds it."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from paddle_serving_client.errors import BadConfig

_SHORTEST: Final = 16


def of(manage_from: Sequence[str], file: str | None) -> str:
    """What callers have to send who want to change the server; empty: nothing.

    Args:
        manage_from: addresses and networks that may ask for it.
        file: with the token; None: there is none.

    Raises:
        BadConfig: other machines may ask without a token, an address is none, or the file has no token.
    """
    networks = []
    for network in manage_from:
        try:
            networks.append(ipaddress.ip_network(network, strict=False))
        except ValueError as exc:
            raise BadConfig(f"--manage_from takes addresses and networks, as 10.0.0.0/8: {exc}") from None
    if file is not None:
        return read(file)
    if far := [str(network) for network in networks if not network.is_loopback]:
        raise BadConfig(
            f"--manage_from {far[0]} lets other machines change this server: "
            "--manage_token_file FILE says what they have to send for it"
        )
    return ""


def read(file: str) -> str:
    """The token in a file, on one line.

    Raises:
        BadConfig: it cannot be read, or is too short to be one.
    """
    try:
        token = Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadConfig(f"--manage_token_file {file} cannot be read: {exc}") from exc
    if len(token) < _SHORTEST or not token.isprintable() or " " in token:
        what = f"a token of at least {_SHORTEST} letters, digits and signs, on one line"
        raise BadConfig(f"--manage_token_file {file} has to hold {what}")
    return token


def header(token: str) -> dict[str, str]:
    """What to send for a token; for none, nothing."""
    return {"Authorization": f"Bearer {token}"} if token else {}
