"""Signals as bytes on a socket, and what SIGHUP means."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@contextlib.contextmanager
def signals() -> Iterator[socket.socket]:
    """Signals as bytes on a socket, so that one `select` hears everything."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = {n: signal.getsignal(n) for n in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()


class Hangup:
    """What SIGHUP means: the terminal that this server was started from is gone, or somebody wants a reload."""

    def __init__(self) -> None:
        self._had_terminal = _has_terminal()
        self.is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # nohup

    @property
    def means_end(self) -> bool:
        """Whether the terminal has gone."""
        return self._had_terminal and not _has_terminal()

    @property
    def is_for_us(self) -> bool:
        """Whether it is to be minded: with `nohup` the end of a terminal is not."""
        return not (self.is_ignored and self.means_end)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
