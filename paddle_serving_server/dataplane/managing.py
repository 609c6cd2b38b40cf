"""Who may ask for what changes a running server, or see what is not for everybody, whatever protocol he speaks.

The port is open to everybody who may ask for predictions; these are not. They are answered to the addresses of
`--manage_from`, which is this machine unless it says otherwise, and not to what a proxy sends, or a browser that asks
for a change: a page that somebody on this machine looks at must not be able to ask, nor the world through a proxy
beside the server.
"""

import hmac
import ipaddress
from collections.abc import Container, Sequence
from typing import Final, NamedTuple

from paddle_serving_server.config.torchserve import key_file
from paddle_serving_server.config.values import ServerConfig

_SENT_BY_PROXIES: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers."""
_SENT_BY_OTHERS: Final = ("origin", "sec-fetch-site", *_SENT_BY_PROXIES)
"""Those of browsers, and of proxies."""


class Refusal(NamedTuple):
    """Why somebody may not ask."""

    text: str
    lacks_token: bool = False
    """Whether a token would help."""


def refusal(
    config: ServerConfig, peer: str, authorization: str, headers: Container[str] = (), only_looks: bool = False
) -> Refusal | None:
    """Why a caller may not ask; None where he may.

    Args:
        config: of the server.
        peer: his address.
        authorization: the header of that name; empty: none was sent.
        headers: the names of all headers, in small letters.
        only_looks: whether he changes nothing.
    """
    if (has_token := _has_token(config, authorization)) is not None:
        if not has_token:
            return Refusal("send the token of --manage_token_file: Authorization: Bearer TOKEN", lacks_token=True)
        sent: Sequence[str] = ()  # what a page or a proxy sends has no token that it was not given
    else:
        sent = _SENT_BY_PROXIES if only_looks else _SENT_BY_OTHERS
    if found := next((header for header in sent if header in headers), None):
        return Refusal(f"not to be asked by a browser or through a proxy (header {found!r})")
    return _refused_address(config, peer)


def _has_token(config: ServerConfig, authorization: str) -> bool | None:
    """Whether a caller sends the token; None: he need not."""
    if config.torchserve is not None and config.torchserve.key_file:
        return key_file.at(config.torchserve.key_file).accepts(key_file.MANAGEMENT, authorization)
    if not config.manage_token:
        return None
    kind, _, token = authorization.partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), config.manage_token.encode())


def _refused_address(config: ServerConfig, peer: str) -> Refusal | None:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return Refusal("the caller's address is not known")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in ipaddress.ip_network(network, strict=False) for network in config.manage_from):
        return None
    return Refusal(f"{address} may not ask; --manage_from says who may")
