"""A place for one child process: started, told things, watched, started again."""

import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from paddle_serving_app.exit_status import shown
from paddle_serving_client.errors import BadConfig, BadPacket
from paddle_serving_server.process import control
from paddle_serving_server.process.message import Message

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 30.0
STEADY_S = 10.0
"""A process that lived this long is started again at once when it dies."""


@dataclass(slots=True, eq=False)
class Slot:
    """A place for one child process. Its control socket is a pair: when one end is gone, the other notices."""

    title: str
    module: str
    listening: tuple[socket.socket, ...]
    config: str
    selector: selectors.BaseSelector
    shared: tuple[int, ...] = ()
    """File descriptors that it has under the same numbers."""
    number: int = 0
    """Among those that do the same."""
    has_group: bool = False
    """Whether what its code forks ends with it, unless that makes itself a group of its own."""
    process: "subprocess.Popen[bytes] | None" = None
    control: socket.socket | None = None
    is_ready: bool = False
    was_ready: bool = False
    is_ending: bool = False
    """Whether it was told to end, and is not started again."""
    false_starts: int = 0
    failure: str = ""
    started_at: float = 0.0
    pause_s: float = 0.0
    start_at: float = 0.0
    kill_at: float = float("inf")
    """When it is killed if it has not ended by itself."""

    def start(self) -> None:
        """Start the process, and give it its config."""
        config = self.config.encode()
        if len(config) > control.MAX_BYTES:
            raise BadConfig(
                f"the settings of {self.title} are {len(config)} bytes, at most {control.MAX_BYTES} are taken: "
                "fewer models and services in one server"
            )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * control.MAX_BYTES)
        fds = (*(sock.fileno() for sock in self.listening), theirs.fileno())
        command = [sys.executable, "-m", self.module, *map(str, fds)]
        group = 0 if self.has_group else None
        self.process = subprocess.Popen(command, pass_fds=(*fds, *self.shared), process_group=group)
        theirs.close()
        self.control = ours
        self.is_ready = False
        self.started_at = time.monotonic()
        self.selector.register(ours, selectors.EVENT_READ, self)
        ours.send(config)

    def tell(self, message: Message) -> None:
        """Say something, if there is somebody."""
        if self.control is None:
            return
        try:
            control.send(self.control, message)
        except BadPacket as exc:
            logger.error("%s is not told: %s", self.title, exc)
        except OSError:  # it is about to be noticed that nobody is there
            return

    def hear(self) -> Message | None:
        """What it says; None at the end."""
        assert self.control is not None
        try:
            message = control.receive(self.control)
        except BadPacket as exc:
            logger.error("%s says what is no message: %s", self.title, exc)
            self.kill()
            message = None
        if message is None:
            self.hang_up()
        return message

    @property
    def has_more(self) -> bool:
        """Whether it has said something that was not heard yet."""
        if self.control is None:
            return False
        try:
            return len(self.control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)) > 0
        except OSError:
            return False

    def hang_up(self) -> None:
        """Close the control socket, which tells the process to end."""
        if self.control is not None:
            self.selector.unregister(self.control)
            self.control.close()
            self.control = None

    def kill(self) -> None:
        """End the process now."""
        if self.process is None or self.process.returncode is not None:
            return
        if self.has_group:
            self._kill_group(self.process.pid)
        self.process.kill()

    def ended(self) -> int | None:
        """Its exit status, once it has ended; None: it runs, or none was started."""
        if self.process is None:
            return None
        if self.has_group:  # looked at before it is let go of: until then no other process gets its number
            with contextlib.suppress(ChildProcessError):
                if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    return None
            self._kill_group(self.process.pid)
        return self.process.poll()

    def _kill_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(number, signal.SIGKILL)

    def rest(self, status: int) -> str:
        """It died: let it rest before it is started again, the longer the more often; the reason, for the log."""
        lived_s = time.monotonic() - self.started_at
        self.pause_s = 0.0 if lived_s > STEADY_S else min(LONGEST_PAUSE_S, max(0.1, self.pause_s * 2))
        self.start_at = time.monotonic() + (self.pause_s if self.pause_s > 0.1 else 0.0)
        reason, self.failure = self.failure or shown(status), ""
        return reason


def end_all(slots: Sequence[Slot]) -> None:
    """Kill all processes, and wait until they are gone."""
    for slot in slots:
        slot.kill()
    for slot in slots:
        if slot.process is not None:
            slot.process.wait()
            slot.process = None
        slot.hang_up()
