"""The supervisor: binds the port, starts fronts and engines, replaces those that die, and ends them in order.

It runs no user code and loads no library that can crash. Fronts tell it which engines they need; an engine's Unix
socket is bound here and survives the engine, so that fronts connect to the next one without being told. Which models
there are is in `lifecycle.py`, what becomes of the engines of one in `deployment.py`.
"""

import contextlib
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting import counters
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine import store
from paddle_serving_server.engine.settings import EXIT_BAD_START
from paddle_serving_server.process import control, machine, process_info
from paddle_serving_server.process.hangup import Hangup, signals
from paddle_serving_server.supervisor import addresses
from paddle_serving_server.supervisor.addresses import PortTaken
from paddle_serving_server.supervisor.child import end_all
from paddle_serving_server.supervisor.children import Children, Ending
from paddle_serving_server.supervisor.code_watcher import CodeWatcher
from paddle_serving_server.supervisor.deployments import Deployments
from paddle_serving_server.supervisor.fronts import Fronts
from paddle_serving_server.supervisor.lifecycle import Lifecycle
from paddle_serving_server.supervisor.model_list import ModelList
from paddle_serving_server.supervisor.verbs import Verbs
from paddle_serving_server.supervisor.version import Surroundings
from paddle_serving_server.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)

EXIT_PORT_IN_USE = 98
_EXTRA_GRACE_S = 2.0
_ENGINE_GRACE_S = 5.0


class Supervisor:
    """One server: a port, its fronts and its engines."""

    def __init__(
        self, config: ServerConfig, on_ready: Callable[[], None] | None = None, model_list: ModelList | None = None
    ) -> None:
        """A server that is to be run.

        Args:
            config: what it is told.
            on_ready: called once, when everything is loaded.
            model_list: says which models are served, from then on.
        """
        self._config = config
        self._ending = Ending()
        self._selector = selectors.DefaultSelector()
        self._listening: list[socket.socket] = []
        self._watcher = Watcher(config.reload_interval_s)
        self._code = CodeWatcher()
        self._hangup = Hangup()
        self._on_ready = on_ready or (lambda: None)
        self._model_list = model_list
        self.failure = ""
        """Why the server could not start."""

    def run(self) -> int:
        """Serve until a signal says stop; returns the exit status."""
        config = self._config
        machine.allow_many_files()
        listening = self._listening
        try:
            listening += addresses.bound(config.addresses)
        except PortTaken as exc:
            print(f"Port {exc} is already used", file=sys.stderr)  # noqa: T201  # the operator waits for it
            return EXIT_PORT_IN_USE
        machine.require_temporary_folder()
        folders = contextlib.ExitStack()
        with folders, signals() as wakeup:
            self._selector.register(wakeup, selectors.EVENT_READ)
            self._selector.register(self._watcher.socket, selectors.EVENT_READ)
            self._selector.register(self._code.socket, selectors.EVENT_READ)
            if config.reload_interval_s > 0:
                self._watcher.start()
            if self._model_list is not None:
                self._selector.register(self._model_list.socket, selectors.EVENT_READ)
                self._model_list.start()
            if config.reload_code:
                self._code.add(str(Path(file).resolve()) for file in config.services)
                self._code.start()
            around = Surroundings(
                selector=self._selector,
                sockets=Path(folders.enter_context(machine.short_folder())),
                copies=folders.enter_context(store.opened()),
                key=config.key,
                load_s=config.load_timeout_s,
                request_s=config.limits.request_s,
                fronts=config.fronts,
                on_change=lambda: self._lifecycle.versions_changed(),
            )
            self._deployments = Deployments(around, self._watcher)
            self._lifecycle = Lifecycle(config, self._deployments, self._watcher)
            self._verbs = Verbs(config, self._lifecycle, self._deployments)
            served = [folder for model in config.models for folder in model.folders] or list(config.services)
            process_info.record([address.port for address in config.addresses], str(served))
            shared, name = counters.shared_memory(2 * config.fronts + 2)  # while new ones take the place of old ones
            folders.callback(os.close, shared)
            config = replace(config, counters=name, models=())  # fronts are told of those one by one
            self._fronts = Fronts(config, listening, self._on_ready)
            self._children = Children(
                self._fronts,
                self._deployments,
                self._lifecycle,
                self._verbs,
                self._code,
                Counters(config.counters),
                self._ending,
                self._give_up,
            )
            try:
                self._fronts.start(self._selector, shared)
                self._watch(wakeup)
            finally:
                end_all(self._children.all)
                process_info.forget()
                for sock in listening:
                    sock.close()
        return self._ending.exit_status

    # -- the loop

    def _watch(self, wakeup: socket.socket) -> None:
        while not self._is_over():
            for key, _ in self._selector.select(self._next_moment()):
                if key.fileobj is wakeup:
                    self._on_signals(wakeup.recv(256))
                elif key.fileobj is self._watcher.socket:
                    self._reload(self._watcher.socket.recv(4096).decode())
                elif self._model_list is not None and key.fileobj is self._model_list.socket:
                    self._verbs.replace_all(self._model_list.take())
                elif key.fileobj is self._code.socket:
                    self._fronts.renew(self._code.told())
                elif key.data.control is not None:  # it may have been hung up on a moment ago
                    self._children.hear(key.data)
            self._children.reap()
            now = time.monotonic()
            if now > self._ending.deadline:
                logger.warning("some requests were not finished in time")
                end_all(self._children.all)
            self._deployments.on_time(now)
            self._fronts.on_time(now)
            for slot in self._children.wanted:
                if slot.process is None and slot.start_at <= now:
                    slot.start()

    def _is_over(self) -> bool:
        """When stopping: let the fronts finish, then the engines end."""
        if not self._ending.is_stopping or self._fronts.are_there:
            return False
        for engine in self._deployments.engines:
            engine.hang_up()
        if any(engine.process for engine in self._deployments.engines):
            self._ending.deadline = min(self._ending.deadline, time.monotonic() + _ENGINE_GRACE_S)
            return False
        return True

    def _next_moment(self) -> float | None:
        moments = [slot.start_at for slot in self._children.wanted if slot.process is None]
        moments += [self._fronts.next_moment, *(deployment.next_moment for deployment in self._deployments)]
        moment = min([*moments, self._ending.deadline])
        return None if moment == float("inf") else max(0.0, moment - time.monotonic())

    def _on_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                continue
            if number == signal.SIGHUP and not self._hangup.is_for_us:
                continue
            if number == signal.SIGHUP and not self._hangup.means_end and not self._ending.is_stopping:
                logger.info("SIGHUP: loading what the model folders hold now")
                self._reload(None)
            elif self._ending.is_stopping:
                end_all(self._children.all)
            else:
                logger.info("stopping: finishing what was accepted")
                self._stop(0)

    def _stop(self, status: int) -> None:
        self._ending.is_stopping = True
        self._ending.exit_status = status
        self._ending.deadline = time.monotonic() + self._config.grace_s + _EXTRA_GRACE_S
        for deployment in self._deployments:
            deployment.stop()
        for sock in self._listening:  # with those of the fronts, and then nobody waits for an answer that never comes
            sock.close()
        for slot in self._fronts.all:
            if slot.is_ready and status == 0:
                slot.tell(control.Drain())
            else:
                slot.kill()
        if status != 0:
            end_all(self._children.all)

    def _reload(self, folder: str | None) -> None:
        """Load what a folder holds now, or every one."""
        if not self._ending.is_stopping:
            self._deployments.reload(folder)
            self._lifecycle.changed(folder)

    def _give_up(self, reason: str) -> None:
        """The server cannot start."""
        self.failure = reason
        logger.error("%s", reason)
        self._stop(EXIT_BAD_START)
