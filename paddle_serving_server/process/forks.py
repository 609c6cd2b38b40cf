"""What a process that user code forks does not keep of the server.

A forked process has every open file of the front: with the listening socket it keeps the port after the server has
ended, with a connection its caller waiting after the answer, and with the event loop's wake-up pipe a signal that was
meant for it ends the front. So the server's sockets are taken from it before its code goes on. Processes that are
started with another program have none of them: Python closes them on the way.
"""

import contextlib
import os
import signal
import socket
import stat
import threading
from collections.abc import Sequence


def take_from_children(ports: Sequence[int]) -> None:
    """From now on, whatever is forked here has no socket of the server, and ends by SIGTERM. Call once in a process.

    Args:
        ports: those of the server; connections to them are its own.
    """
    ours = frozenset(ports)
    mask = threading.local()

    def hold() -> None:
        """A signal that comes before the child is itself would be taken for one to the server."""
        mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def go_on() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask.before)

    def begin() -> None:
        _forget(ours)
        go_on()

    os.register_at_fork(before=hold, after_in_parent=go_on, after_in_child=begin)


def _forget(ports: frozenset[int]) -> None:
    with contextlib.suppress(ValueError, OSError):
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if _is_ours(int(name), ports):
                os.dup2(nothing, int(name), inheritable=False)  # the number stays taken: somebody may close it yet
    os.close(nothing)


def _is_ours(fd: int, ports: frozenset[int]) -> bool:
    """Whether it is a socket of the server: no other code uses packets over Unix sockets."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return False
    found = socket.socket(fileno=fd)
    try:
        if found.family == socket.AF_UNIX:
            return found.type == socket.SOCK_SEQPACKET
        return found.family in (socket.AF_INET, socket.AF_INET6) and found.getsockname()[1] in ports
    finally:
        found.detach()
