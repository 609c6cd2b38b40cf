"""The supervisor: binds the port, starts fronts and engines, replaces those that die, and ends them in order.

It runs no user code and loads no library that can crash. Fronts tell it which engines they need; an engine's Unix
socket is bound here and survives the engine, so that fronts connect to the next one without being told. What becomes
of a model and its versions is in `deployment.py`.
"""

import contextlib
import errno
import ipaddress
import logging
import os
import resource
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paddle_serving_app.exit_status import shown
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting import counters
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.meter import RESTARTS
from paddle_serving_server.engine import store
from paddle_serving_server.engine.settings import EXIT_BAD_START, EXIT_CANNOT_START
from paddle_serving_server.process import process_info
from paddle_serving_server.supervisor.child import Slot
from paddle_serving_server.supervisor.deployment import Deployment, Engine, Surroundings
from paddle_serving_server.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)

EXIT_PORT_IN_USE = 98
_EXTRA_GRACE_S = 2.0
_INIT = 1
"""The number of a container's first process."""
_LONGEST_FOLDER = 60
_FILES = 65_536
_ENGINE_GRACE_S = 5.0
_FALSE_STARTS = 3
"""How often a process may die before it was ever ready, until the server gives up."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True, eq=False)
class _State:
    stopping: bool = False
    exit_status: int = 0
    deadline: float = field(default=float("inf"))


class Supervisor:
    """One server: a port, its fronts and its engines."""

    def __init__(self, config: ServerConfig, on_ready: Callable[[], None] | None = None) -> None:
        """`on_ready` is called once, when everything is loaded."""
        self._config = config
        self._state = _State()
        self._selector = selectors.DefaultSelector()
        self._fronts: list[Slot] = []
        self._listening: list[socket.socket] = []
        self._deployments: dict[str, Deployment] = {}
        """By the JSON of their config, as fronts ask for them."""
        self._watcher = Watcher(config.reload_interval_s)
        self._hangup = _Hangup()
        self._weights: dict[str, dict[str, Any]] = {}
        """Of the variants of a service, as a front has last changed them."""
        self._announced = False
        self._on_ready = on_ready
        self.failure = ""
        """Why the server could not start."""

    def run(self) -> int:
        """Serve until a signal says stop; returns the exit status."""
        config = self._config
        _allow_many_files()
        listening = self._listening
        for port in (config.port, *config.extra_ports):
            try:
                listening.append(_bind(config.host, port))
            except OSError as exc:
                if exc.errno == errno.EADDRINUSE:
                    print(f"Port {port} is already used", file=sys.stderr)  # noqa: T201  # the operator waits for it
                    return EXIT_PORT_IN_USE
                raise BadConfig(f"cannot listen on {config.host} port {port}: {exc.strerror}") from exc
        _require_temporary_folder()
        folders = contextlib.ExitStack()
        with folders, _signals() as wakeup:
            self._selector.register(wakeup, selectors.EVENT_READ)
            self._selector.register(self._watcher.socket, selectors.EVENT_READ)
            if config.reload_interval_s > 0:
                self._watcher.start()
            self._around = Surroundings(
                selector=self._selector,
                sockets=Path(folders.enter_context(_short_folder())),
                copies=folders.enter_context(store.opened()),
                load_s=config.load_timeout_s,
                request_s=config.limits.request_s,
            )
            served = [folder for model in config.models for folder in model.folders] or list(config.services)
            process_info.record([config.port, *config.extra_ports], str(served))
            shared, name = counters.shared_memory(config.fronts + 1)
            folders.callback(os.close, shared)
            self._config = config = replace(config, counters=name)
            self._counters = Counters(config.counters)
            try:
                for k in range(config.fronts):
                    module = "paddle_serving_server.front.process"
                    slot = Slot(f"front {k}", module, tuple(listening), self._front_config(), self._selector, (shared,))
                    self._fronts.append(slot)
                    slot.start()
                self._watch(wakeup)
            finally:
                self._kill_all()
                process_info.forget()
                for sock in listening:
                    sock.close()
        return self._state.exit_status

    # -- the loop

    def _watch(self, wakeup: socket.socket) -> None:
        while not self._is_over():
            for key, _ in self._selector.select(self._next_moment()):
                if key.fileobj is wakeup:
                    self._on_signals(wakeup.recv(256))
                elif key.fileobj is self._watcher.socket:
                    self._reload(self._watcher.socket.recv(4096).decode())
                elif key.data.control is not None:  # it may have been hung up on a moment ago
                    self._hear(key.data)
            self._reap()
            now = time.monotonic()
            if now > self._state.deadline:
                logger.warning("some requests were not finished in time")
                self._kill_all()
            for deployment in self._deployments.values():
                if deployment.next_moment <= now:
                    deployment.on_time(now)
            for slot in self._wanted():
                if slot.process is None and slot.start_at <= now:
                    slot.start()

    def _front_config(self, has_served: bool = False) -> str:
        return replace(self._config, has_served=has_served).to_json()

    def _is_over(self) -> bool:
        """When stopping: let the fronts finish, then the engines end."""
        if not self._state.stopping:
            return False
        if any(slot.process for slot in self._fronts):
            return False
        for engine in self._engines():
            engine.hang_up()
        if any(engine.process for engine in self._engines()):
            self._state.deadline = min(self._state.deadline, time.monotonic() + _ENGINE_GRACE_S)
            return False
        return True

    def _next_moment(self) -> float | None:
        moments = [slot.start_at for slot in self._wanted() if slot.process is None]
        moments += [deployment.next_moment for deployment in self._deployments.values()]
        moment = min([*moments, self._state.deadline])
        return None if moment == float("inf") else max(0.0, moment - time.monotonic())

    def _on_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                continue
            if number == signal.SIGHUP and not self._hangup.is_for_us:
                continue
            if number == signal.SIGHUP and not self._hangup.means_end and not self._state.stopping:
                logger.info("SIGHUP: loading what the model folders hold now")
                self._reload(None)
            elif self._state.stopping:
                self._kill_all()
            else:
                logger.info("stopping: finishing what was accepted")
                self._stop(0)

    def _stop(self, status: int) -> None:
        self._state.stopping = True
        self._state.exit_status = status
        self._state.deadline = time.monotonic() + self._config.grace_s + _EXTRA_GRACE_S
        for deployment in self._deployments.values():
            deployment.stop()
        for sock in self._listening:  # with those of the fronts, and then nobody waits for an answer that never comes
            sock.close()
        for slot in self._fronts:
            if slot.is_ready and status == 0:
                slot.tell({"drain": True})
            else:
                slot.kill()
        if status != 0:
            self._kill_all()

    def _engines(self) -> list[Engine]:
        return [engine for deployment in self._deployments.values() for engine in deployment.engines]

    def _slots(self) -> list[Slot]:
        return [*self._fronts, *self._engines()]

    def _wanted(self) -> list[Slot]:
        """Who is started again when it dies: everybody, or, when stopping, engines that fronts still need."""
        engines = [engine for engine in self._engines() if not engine.is_ending]
        if not self._state.stopping:
            return [*self._fronts, *engines]
        is_draining = self._state.exit_status == 0 and any(slot.process for slot in self._fronts)
        return [*engines] if is_draining else []

    # -- models

    def _deployment_for(self, key: str) -> Deployment:
        if key not in self._deployments:
            deployment = self._deployments[key] = Deployment(len(self._deployments), key, self._around)
            self._watcher.add(deployment.folder)
        return self._deployments[key]

    def _reload(self, folder: str | None) -> None:
        """Load what a folder holds now, or every one."""
        for deployment in self._deployments.values():
            if folder in (None, deployment.folder) and not self._state.stopping:
                deployment.reload()

    # -- children

    def _hear(self, slot: Slot) -> None:
        said = slot.hear()
        if said is None:
            return
        if "failed" in said:
            slot.failure = said["failed"]
        elif isinstance(slot, Engine):
            self._of(slot).engine_says(slot, said)
        elif "ready" in said:
            slot.is_ready = slot.was_ready = True
            self._announce()
        elif "need" in said:
            self._deployment_for(said["need"]).front_asks(slot)
            for weights in self._weights.values():
                slot.tell(weights)
        elif "switched" in said:
            self._deployments[said["switched"]].front_switched(slot, said["number"])
        elif "released" in said:
            self._deployments[said["released"]].front_released(slot, said["number"])
        elif "reload" in said:
            self._deployments[said["reload"]].reload((slot, said["id"]), said["allow"])
        elif "weights" in said:
            self._weights[said["of"]] = said
            for front in self._fronts:
                front.tell(said)
        elif "record" in said:
            for front in self._fronts:
                front.tell(said)
        elif "hung" in said:
            for engine in self._engines():
                if engine.path == said["hung"] and engine.process is not None:
                    logger.error("%s does not answer; it is killed and started again", engine.title)
                    engine.kill()

    def _of(self, engine: Engine) -> Deployment:
        return next(d for d in self._deployments.values() if engine in d.engines)

    def _reap(self) -> None:
        if os.getpid() == _INIT:
            _reap_orphans({slot.process.pid for slot in self._slots() if slot.process is not None})
        for slot in self._slots():
            if slot.process is None or (status := slot.process.poll()) is None:
                continue
            while slot.has_more:
                self._hear(slot)  # last words
            slot.hang_up()
            slot.process = None
            slot.is_ready = False
            if not isinstance(slot, Engine):
                for deployment in self._deployments.values():
                    deployment.front_is_gone(slot)
            elif slot.is_ending:
                self._of(slot).ended(slot)
                continue
            elif self._of(slot).engine_died(slot, status):
                continue
            if slot in self._wanted():
                self._replace(slot, status)

    def _replace(self, slot: Slot, status: int) -> None:
        slot.false_starts += not slot.was_ready
        if not slot.was_ready and (status == EXIT_CANNOT_START or slot.false_starts >= _FALSE_STARTS):
            self.failure = slot.failure or f"{slot.title} cannot start: it ended with {shown(status)}"
            logger.error("%s", self.failure)
            self._stop(EXIT_BAD_START)
            return
        self._counters.count(RESTARTS, kind=slot.title.partition(" ")[0]).add()
        logger.error("%s ended (%s); it is started again", slot.title, slot.rest(status))

    def _announce(self) -> None:
        if self._announced or not all(slot.is_ready for slot in self._fronts):
            return
        self._announced = True
        for slot in self._fronts:
            slot.config = self._front_config(has_served=True)
        print("C++ Serving service started successfully!", flush=True)  # noqa: T201  # scripts wait for this line
        ports = ", ".join(map(str, (self._config.port, *self._config.extra_ports)))
        logger.info("serving on %s port %s", self._config.host, ports)
        if any(not _is_loopback(sock) for sock in self._listening):
            logger.info("everybody who reaches this machine may ask: there are no keys; see --host")
        if self._on_ready is not None:
            self._on_ready()

    def _kill_all(self) -> None:
        for slot in self._slots():
            slot.kill()
        for slot in self._slots():
            if slot.process is not None:
                slot.process.wait()
                slot.process = None
            slot.hang_up()


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


def _is_loopback(sock: socket.socket) -> bool:
    return ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


@contextlib.contextmanager
def _signals() -> Any:
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


def _allow_many_files() -> None:
    """Connections and shared memory take a file descriptor each; many systems allow 1024 unless somebody asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _reap_orphans(ours: Set[int]) -> None:
    """Let processes go that have lost their parents, as the first process of a container has to.

    Args:
        ours: children whose status is asked for elsewhere.
    """
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid in ours:
                return  # the next signal comes when that one is dealt with
            os.waitpid(ended.si_pid, 0)


def _require_temporary_folder() -> None:
    """Sockets and private copies of models need one.

    Raises:
        BadConfig: there is none that can be written.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as exc:
        raise BadConfig("no temporary folder can be written; TMPDIR says where one is") from exc


def _short_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for sockets: their paths have at most 107 bytes, whatever TMPDIR says."""
    usual = tempfile.gettempdir()
    return tempfile.TemporaryDirectory(prefix="paddle-serving-", dir=usual if len(usual) <= _LONGEST_FOLDER else "/tmp")


class _Hangup:
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
