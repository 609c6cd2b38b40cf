"""The front process: an event loop that speaks the protocols, runs user code in threads, and asks the engines.

    python -m paddle_serving_server.front.process LISTENER_FD ... CONTROL_FD    (started by the supervisor)

It reads a `ServerConfig` from the control socket, makes the services of files, follows the registry for those of
models, asks the supervisor for the engines they need, and accepts when these are loaded. When the control socket
closes, the supervisor is gone and so is this.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import uvloop

from paddle_serving_app import fault_place
from paddle_serving_app.ops.arrays import put_inputs_in
from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting import recording
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.meter import Meter
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.engine.segments import SegmentPool
from paddle_serving_server.engine.settings import EXIT_CANNOT_START
from paddle_serving_server.front.asking import Asking
from paddle_serving_server.front.assembly import Assembly
from paddle_serving_server.front.follower import Follower
from paddle_serving_server.front.listener import Listener
from paddle_serving_server.front.lives import Lives
from paddle_serving_server.front.wrappers import Wrappers
from paddle_serving_server.process import control, forks, heap, log
from paddle_serving_server.process.control import (
    CodeRead,
    CodeReport,
    Drain,
    Failed,
    Live,
    Loading,
    Record,
    Reloaded,
    Serving,
    Weights,
)
from paddle_serving_server.process.line import Line
from paddle_serving_server.process.message import Message
from paddle_serving_server.process.registry_messages import (
    Answered,
    CaughtUp,
    Ended,
    Following,
    Registered,
    Unregistered,
)
from paddle_serving_server.services import from_config
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.others import CatalogueOthers
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code import source_files
from paddle_serving_server.user_code.threads import Threads

logger = logging.getLogger(__name__)

EXIT_STUCK = 75
"""The status of a front that ends so that another may take its place."""
_GRACE_WITHOUT_SUPERVISOR_S = 1.0
_QUICK_START_S = 1.0
"""How long callers are left to wait before they are told that the server is starting: a front that takes the place of
another finds its engines loaded."""
_FILES_S = 2.0
"""How often it is looked whether steps have imported further modules."""
_LONGEST_TURN_S = 0.00025
"""How long user code in a thread may keep the interpreter while the event loop waits for it; Python's own is 5 ms."""


class Front:
    """One front process."""

    def __init__(self, config: ServerConfig, listening: Sequence[socket.socket], sock: socket.socket) -> None:
        self._config = config
        self._listening = listening
        self._socket = sock
        self._line = line = Line(sock)
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._grace_s = config.grace_s
        counters = Counters(config.counters)
        self._pool = SegmentPool()
        put_inputs_in(self._pool.empty)
        self._wrappers = Wrappers(config, counters)
        self._threads = threads = Threads(config.threads, "user-code")
        self._catalogue = Catalogue(config=config, meter=Meter(counters), line=line)
        self._lives = Lives(config.limits, line, self._pool, Asking(DataPlane(self._catalogue, config.limits)))
        self._assembly = Assembly(config, self._lives, self._wrappers)
        self._catalogue.variants, self._catalogue.shadows = self._wrappers.variants, self._wrappers.shadows
        threads.on_hang, threads.on_stuck = self._catalogue.meter.hangs, self._give_up
        self._follower = Follower(self._catalogue, self._assembly, self._wrappers, threads, config.limits, line)
        self._recorder: asyncio.Task[None] | None = None
        self._files: set[str] = set()
        """Those that the supervisor knows the code came from."""
        self._is_stuck = False
        self._failure: ServingError | None = None
        """Why what is registered cannot be followed."""

    async def serve(self) -> None:
        """Serve until told to stop, then drain."""
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._hear)
        self._loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        began = time.monotonic()
        config, catalogue = self._config, self._catalogue
        services = self._file_services()
        listener = Listener(self._listening, config.addresses, catalogue, config.limits, has_siblings=config.fronts > 1)
        self._line.tell(Following([service.name for service in services]))
        loading = self._loop.create_task(self._load(services))
        if not config.has_served and not (await asyncio.wait([loading], timeout=_QUICK_START_S))[0]:
            catalogue.start.begin(began)
            listener.start()
        await asyncio.wait(
            [loading, stopped := self._loop.create_task(self._stop.wait())], return_when="FIRST_COMPLETED"
        )
        stopped.cancel()
        if self._failure is not None:
            raise self._failure
        if self._stop.is_set():
            loading.cancel()
            await listener.drain(0.0)
            return
        await loading
        catalogue.is_ready = True
        if catalogue.start.is_going:
            catalogue.start.end()
        else:
            listener.start()
        gc.collect()
        gc.freeze()  # what is here stays: the collector need not look at it again
        giving_back = self._loop.create_task(heap.give_back_freed_memory())
        reading_on = self._loop.create_task(self._tell_later_files())
        self._line.tell(Serving())
        await self._stop.wait()
        giving_back.cancel()
        reading_on.cancel()
        catalogue.is_ready = False
        await listener.drain(self._grace_s)
        self._lives.stop()
        await self._assembly.close()
        self._pool.close()
        if self._is_stuck:
            sys.stderr.flush()
            os._exit(EXIT_STUCK)  # the usual way out waits for threads that may never end
        self._threads.close()

    def _file_services(self) -> list[Service]:
        """Run the service files."""
        try:
            return from_config.file_services(self._config)
        finally:
            self._tell_files()

    def _tell_files(self) -> None:
        """Say which files the code came from, as far as that is new."""
        files = source_files.loaded_from(self._config.services) if self._config.reload_code else []
        if set(files) - self._files:
            self._files.update(files)
            self._line.tell(CodeRead(files))

    async def _tell_later_files(self) -> None:
        """Steps may import further modules."""
        while self._config.reload_code:
            await asyncio.sleep(_FILES_S)
            self._tell_files()

    async def _load(self, services: Sequence[Service]) -> None:
        """Have everything that answers from the beginning. All is asked for before any is waited for."""
        await self._follower.caught_up.wait()
        engines = [await self._assembly.engines_of(service) for service in services]
        await self._follower.started(self._config.has_served)
        for service, its_engines in zip(services, engines, strict=True):
            await self._assembly.ready(service)
            self._wrappers.check(service)
            service.limits, service.others = self._config.limits, CatalogueOthers(self._catalogue)
            service.counters = self._catalogue.meter.counters
            service.bind(its_engines, self._threads)
        for service in services:
            self._catalogue.add(service)
        self._wrappers.check_all()

    def _give_up(self) -> None:
        """Every thread for steps hangs: finish what can be finished, and let another front take this place."""
        if not self._is_stuck:
            self._is_stuck = True
            self._line.tell(Failed("every thread for the steps of services hangs"))
            self._stop.set()

    # -- the supervisor

    def _hear(self) -> None:
        try:
            message = control.receive(self._socket)
        except BlockingIOError:
            return
        if message is None:
            self._loop.remove_reader(self._socket.fileno())
            self._line.close()
            self._grace_s = _GRACE_WITHOUT_SUPERVISOR_S
            self._stop.set()
            return
        try:
            self._take(message)
        except ServingError as exc:
            self._failure = exc
            self._stop.set()

    def _take(self, message: Message) -> None:
        match message:
            case Registered():
                self._follower.follow(message)
            case Unregistered():
                self._follower.forget(message)
            case CaughtUp():
                self._follower.caught_up.set()
            case Answered():
                self._line.answered(message)
            case Live():
                self._lives.switch(message)
            case Reloaded():
                self._lives.reloaded(message)
            case Ended():
                self._lives.ended(message)
            case Loading(doing, model):
                self._catalogue.start.note(model, doing)
            case Weights(service, weights):
                self._wrappers.weigh(service, weights)
            case Record(folder, until):
                self._recorder = self._loop.create_task(recording.record(Path(folder), until))
            case CodeReport(report):
                self._catalogue.code_report = report
            case Drain():
                self._stop.set()


async def _serve(listening: Sequence[socket.socket], sock: socket.socket, raw_config: bytes) -> int:
    config = ServerConfig.from_json(raw_config)
    try:
        await Front(config, listening, sock).serve()
    except Exception as exc:
        reason = str(exc)
        if not isinstance(exc, ServingError):
            logger.exception("the services cannot be made")
            reason = fault_place.told(exc, [Path(file).resolve().parent for file in config.services])
        sock.setblocking(True)
        Line(sock).tell(Failed.because(reason))
        return EXIT_CANNOT_START
    return 0


def main(argv: Iterable[str]) -> int:
    """Serve what the supervisor's config says."""
    for number in (signal.SIGINT, signal.SIGHUP):  # they reach the whole group; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    heap.keep_freed_memory()
    sys.setswitchinterval(_LONGEST_TURN_S)
    *listening, line = (socket.socket(fileno=int(fd)) for fd in argv)
    forks.take_from_children([sock.getsockname()[1] for sock in listening])
    raw_config = line.recv(control.MAX_BYTES)
    log.configure(json.loads(raw_config)["log_level"], "front")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # a caller's broken picture is his error, not a line of ours
    started = time.monotonic()
    status = uvloop.run(_serve(listening, line, raw_config))
    logger.debug("ended after %.1f s", time.monotonic() - started)
    return status


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(status)
