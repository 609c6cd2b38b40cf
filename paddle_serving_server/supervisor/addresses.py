"""The sockets that a server listens on."""

import errno
import ipaddress
import socket

from paddle_serving_client.errors import BadConfig


class PortTaken(Exception):
    """Somebody else listens there; the number is the argument."""


def bound(host: str, ports: "tuple[int, ...]") -> list[socket.socket]:
    """A listening socket for each port.

    Raises:
        PortTaken: somebody listens there.
        BadConfig: nobody can.
    """
    found = []
    for port in ports:
        try:
            found.append(_bind(host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                raise PortTaken(port) from exc
            raise BadConfig(f"cannot listen on {host} port {port}: {exc.strerror}") from exc
    return found


def is_loopback(sock: socket.socket) -> bool:
    return ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


def _bind(host: str, port: int) -> socket.socket:
    """The one listening socket of a port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as exc:
        raise BadConfig(f"--host {host}: {exc.strerror}") from exc
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        sock.bind(address)
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock
