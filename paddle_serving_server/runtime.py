"""The supervisor: binds the port, starts fronts and engines, replaces those that die, and ends them in order.

It runs no user code and loads no library that can crash. Fronts tell it which engines they need; an engine's Unix
socket is bound here and survives the engine, so that fronts connect to the next one without being told.
"""

import contextlib
import errno
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

from paddle_serving_client.errors import BadConfig
from paddle_serving_server import process_info
from paddle_serving_server.config import ServerConfig
from paddle_serving_server.engine.settings import EXIT_CANNOT_START

logger = logging.getLogger(__name__)

EXIT_PORT_IN_USE = 98
EXIT_BAD_START = 2
_EXTRA_GRACE_S = 2.0
_ENGINE_GRACE_S = 5.0
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 10.0
"""A process that lived this long is started again at once when it dies."""
_FALSE_STARTS = 3
"""How often a process may die before it was ever ready, until the server gives up."""
_MAX_MESSAGE_BYTES = 1 << 16
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True, eq=False)
class _Slot:
    """A place for one child process: started, watched, started again."""

    title: str
    module: str
    listening: socket.socket
    config: str
    process: "subprocess.Popen[bytes] | None" = None
    control: socket.socket | None = None
    is_ready: bool = False
    was_ready: bool = False
    false_starts: int = 0
    failure: str = ""
    started_at: float = 0.0
    pause_s: float = 0.0
    start_at: float = 0.0


@dataclass(slots=True, eq=False)
class _Engine(_Slot):
    path: str = ""


@dataclass(slots=True, eq=False)
class _State:
    stopping: bool = False
    exit_status: int = 0
    deadline: float = field(default=float("inf"))


class Supervisor:
    """One server: a port, its fronts and its engines."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._state = _State()
        self._selector = selectors.DefaultSelector()
        self._fronts: list[_Slot] = []
        self._engines: dict[str, _Engine] = {}
        self._announced = False

    def run(self) -> int:
        """Serve until a signal says stop; returns the exit status."""
        config = self._config
        try:
            listening = _bind(config.host, config.port)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                print(f"Port {config.port} is already used", file=sys.stderr)  # noqa: T201  # the operator waits for it
                return EXIT_PORT_IN_USE
            raise BadConfig(f"cannot listen on {config.host} port {config.port}: {exc.strerror}") from exc
        with _signals() as wakeup, tempfile.TemporaryDirectory(prefix="paddle-serving-") as self._folder:
            self._selector.register(wakeup, selectors.EVENT_READ)
            process_info.record(config.port, str([m.folder for m in config.models] or list(config.services)))
            try:
                for k in range(config.fronts):
                    slot = _Slot(f"front {k}", "paddle_serving_server.front", listening, config.to_json())
                    self._fronts.append(slot)
                    self._start(slot)
                self._watch(wakeup)
            finally:
                self._kill_all()
                process_info.forget(config.port)
                listening.close()
        return self._state.exit_status

    # -- the loop

    def _watch(self, wakeup: socket.socket) -> None:
        while not self._is_over():
            for key, _ in self._selector.select(self._next_moment()):
                if key.fileobj is wakeup:
                    self._on_signals(wakeup.recv(256))
                else:
                    self._hear(key.data)
            self._reap()
            now = time.monotonic()
            if now > self._state.deadline:
                logger.warning("some requests were not finished in time")
                self._kill_all()
            for slot in self._wanted():
                if slot.process is None and slot.start_at <= now:
                    self._start(slot)

    def _is_over(self) -> bool:
        """When stopping: let the fronts finish, then the engines end."""
        if not self._state.stopping:
            return False
        if any(slot.process for slot in self._fronts):
            return False
        for engine in self._engines.values():
            self._hang_up(engine)
        if any(slot.process for slot in self._engines.values()):
            self._state.deadline = min(self._state.deadline, time.monotonic() + _ENGINE_GRACE_S)
            return False
        return True

    def _next_moment(self) -> float | None:
        moments = [slot.start_at for slot in self._wanted() if slot.process is None]
        if self._state.deadline != float("inf"):
            moments.append(self._state.deadline)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _on_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                continue
            if self._state.stopping:
                self._kill_all()
            else:
                logger.info("stopping: finishing what was accepted")
                self._stop(0)

    def _stop(self, status: int) -> None:
        self._state.stopping = True
        self._state.exit_status = status
        self._state.deadline = time.monotonic() + self._config.grace_s + _EXTRA_GRACE_S
        for slot in self._fronts:
            if slot.is_ready and status == 0:
                self._tell(slot, {"drain": True})
            elif slot.process is not None:
                slot.process.kill()
        if status != 0:
            self._kill_all()

    def _slots(self) -> list[_Slot]:
        return [*self._fronts, *self._engines.values()]

    def _wanted(self) -> list[_Slot]:
        """Who is started again when it dies: everybody, or, when stopping, engines that fronts still need."""
        if not self._state.stopping:
            return self._slots()
        is_draining = self._state.exit_status == 0 and any(slot.process for slot in self._fronts)
        return list(self._engines.values()) if is_draining else []

    # -- children

    def _start(self, slot: _Slot) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = (slot.listening.fileno(), theirs.fileno())
        command = [sys.executable, "-m", slot.module, *map(str, fds)]
        slot.process = subprocess.Popen(command, pass_fds=fds)
        theirs.close()
        slot.control = ours
        slot.is_ready = False
        slot.started_at = time.monotonic()
        self._selector.register(ours, selectors.EVENT_READ, slot)
        ours.send(slot.config.encode())

    def _hear(self, slot: _Slot) -> None:
        assert slot.control is not None
        try:
            raw = slot.control.recv(_MAX_MESSAGE_BYTES)
        except OSError:
            raw = b""
        if not raw:
            self._hang_up(slot)
            return
        said: dict[str, Any] = json.loads(raw)
        if "ready" in said:
            slot.is_ready = slot.was_ready = True
            self._announce()
        elif "failed" in said:
            slot.failure = said["failed"]
        elif "need" in said:
            self._tell(slot, {"path": self._engine_for(said["need"]).path})
        elif "hung" in said:
            engine = self._engines[said["hung"]]
            if engine.process is not None:
                logger.error("%s does not answer; it is killed and started again", engine.title)
                engine.process.kill()

    def _engine_for(self, config: str) -> _Engine:
        if config not in self._engines:
            number = len(self._engines)
            path = os.path.join(self._folder, f"engine-{number}.sock")
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listening.bind(path)
            listening.listen(128)
            folder = json.loads(config)["folder"]
            module = "paddle_serving_server.engine.worker"
            engine = _Engine(f"engine {number} ({folder})", module, listening, config, path=path)
            self._engines[config] = engine
            self._start(engine)
        return self._engines[config]

    def _tell(self, slot: _Slot, said: dict[str, Any]) -> None:
        if slot.control is not None:
            with contextlib.suppress(OSError):
                slot.control.send(json.dumps(said).encode())

    def _hang_up(self, slot: _Slot) -> None:
        if slot.control is not None:
            self._selector.unregister(slot.control)
            slot.control.close()
            slot.control = None

    def _reap(self) -> None:
        for slot in self._slots():
            if slot.process is None or (status := slot.process.poll()) is None:
                continue
            while slot.control is not None and _has_more(slot.control):
                self._hear(slot)  # last words
            self._hang_up(slot)
            slot.process = None
            slot.is_ready = False
            if slot in self._wanted():
                self._replace(slot, status)

    def _replace(self, slot: _Slot, status: int) -> None:
        slot.false_starts += not slot.was_ready
        if not slot.was_ready and (status == EXIT_CANNOT_START or slot.false_starts >= _FALSE_STARTS):
            logger.error("%s", slot.failure or f"{slot.title} cannot start: it ended with {_shown(status)}")
            self._stop(EXIT_BAD_START)
            return
        lived_s = time.monotonic() - slot.started_at
        slot.pause_s = 0.0 if lived_s > _STEADY_S else min(_LONGEST_PAUSE_S, max(0.1, slot.pause_s * 2))
        slot.start_at = time.monotonic() + (slot.pause_s if slot.pause_s > 0.1 else 0.0)
        reason = slot.failure or _shown(status)
        slot.failure = ""
        logger.error("%s ended (%s); it is started again", slot.title, reason)

    def _announce(self) -> None:
        if self._announced or not all(slot.is_ready for slot in self._fronts):
            return
        self._announced = True
        print("C++ Serving service started successfully!", flush=True)  # noqa: T201  # scripts wait for this line
        logger.info("serving on %s port %d", self._config.host, self._config.port)

    def _kill_all(self) -> None:
        for slot in self._slots():
            if slot.process is not None:
                slot.process.kill()
        for slot in self._slots():
            if slot.process is not None:
                slot.process.wait()
                slot.process = None
            self._hang_up(slot)


def _bind(host: str, port: int) -> socket.socket:
    """The one listening socket of a server."""
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


@contextlib.contextmanager
def _signals() -> Any:
    """Signals as bytes on a socket, so that one `select` hears everything."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = {n: signal.getsignal(n) for n in _SIGNALS}
    for number in _SIGNALS:
        if not (number == signal.SIGHUP and before[number] == signal.SIG_IGN):  # nohup
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


def _shown(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


def _has_more(sock: socket.socket) -> bool:
    try:
        return len(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)) > 0
    except OSError:
        return False
