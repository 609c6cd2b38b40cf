"""The front process: an event loop that speaks the protocols, runs user code in threads, and asks the engines.

    python -m paddle_serving_server.front.process LISTENER_FD ... CONTROL_FD    (started by the supervisor)

It reads a `ServerConfig` from the control socket, makes the services, asks the supervisor for the engines they need,
and accepts when these are loaded. When the control socket closes, the supervisor is gone and so is this.
"""

import asyncio
import gc
import json
import logging
import math
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import uvloop

from paddle_serving_app.ops.arrays import put_inputs_in
from paddle_serving_client.errors import Busy, ServingError
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting import recording
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.meter import Meter
from paddle_serving_server.engine.channel import HUNG_S, Channel
from paddle_serving_server.engine.live import Live as LiveEngine
from paddle_serving_server.engine.replicas import Replicas
from paddle_serving_server.engine.segments import SegmentPool
from paddle_serving_server.engine.settings import EXIT_CANNOT_START, DeploymentSpec
from paddle_serving_server.front.assembly import Assembly
from paddle_serving_server.front.listener import Listener
from paddle_serving_server.front.wrappers import Wrappers
from paddle_serving_server.process import control, forks, heap, log
from paddle_serving_server.process.control import (
    Drain,
    Failed,
    Hung,
    Live,
    Loading,
    Message,
    Needed,
    Record,
    Released,
    ReloadAsked,
    Reloaded,
    Serving,
    Switched,
    Weights,
)
from paddle_serving_server.services import from_config
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.showing import chrome_trace
from paddle_serving_server.user_code.threads import Threads

logger = logging.getLogger(__name__)

Report = Mapping[str, object]
"""What became of an attempt to load a new version: state, reason, at."""
EXIT_STUCK = 75
"""The status of a front that ends so that another may take its place."""
_GRACE_WITHOUT_SUPERVISOR_S = 1.0
_QUICK_START_S = 1.0
"""How long callers are left to wait before they are told that the server is starting: a front that takes the place of
another finds its engines loaded."""
_LONGEST_TURN_S = 0.00025
"""How long user code in a thread may keep the interpreter while the event loop waits for it; Python's own is 5 ms."""


class Front:
    """One front process."""

    def __init__(self, config: ServerConfig, listening: Sequence[socket.socket], line: socket.socket) -> None:
        self._config = config
        self._listening = listening
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._grace_s = config.grace_s
        self._counters = Counters(config.counters)
        self._pool = SegmentPool()
        put_inputs_in(self._pool.empty)
        self._wrappers = Wrappers(config, self._counters)
        self._assembly = Assembly(config, self._live, self._wrappers)
        self._weights: dict[str, Mapping[str, object]] = {}
        """Of variants, by service, as they were last changed."""
        self._specs: dict[str, DeploymentSpec] = {}
        self._lives: dict[str, LiveEngine] = {}
        """By the identity of the deployment, as the specs."""
        self._switches: set[asyncio.Task[None]] = set()
        self._asked: dict[int, asyncio.Future[Report]] = {}
        self._last_asked = 0
        self._recorder: asyncio.Task[None] | None = None
        self._is_stuck = False

    async def serve(self) -> None:
        """Serve until told to stop, then drain."""
        self._line.setblocking(False)
        self._loop.add_reader(self._line.fileno(), self._hear)
        self._loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        began = time.monotonic()
        services = from_config.services_of(self._config)
        self._catalogue = catalogue = Catalogue(services)
        catalogue.reload = self._reload
        catalogue.config, catalogue.meter = self._config, Meter(self._counters)
        catalogue.variants, catalogue.shadows = self._wrappers.variants, self._wrappers.shadows
        catalogue.set_weights = self._set_weights
        catalogue.record = self._record
        threads = Threads(self._config.threads, "user-code")
        threads.on_hang, threads.on_stuck = catalogue.meter.hangs, self._give_up
        config = self._config
        listener = Listener(self._listening, config.addresses, catalogue, config.limits, has_siblings=config.fronts > 1)
        # All are asked for before any is waited for: they load side by side.
        engines = [await self._assembly.engines_of(service) for service in services]
        loading = self._loop.create_task(self._assembly.ready())
        if not self._config.has_served and not (await asyncio.wait([loading], timeout=_QUICK_START_S))[0]:
            catalogue.start.begin(began)
            listener.start()
        await asyncio.wait(
            [loading, stopped := self._loop.create_task(self._stop.wait())], return_when="FIRST_COMPLETED"
        )
        stopped.cancel()
        if self._stop.is_set():
            loading.cancel()
            await listener.drain(0.0)
            return
        await loading
        for name, weights in self._weights.items():
            self._wrappers.variants[name].set_weights(weights)
        for service, its_engines in zip(services, engines, strict=True):
            service.limits = self._config.limits
            service.bind(its_engines, threads)
        catalogue.is_ready = True
        if catalogue.start.is_going:
            catalogue.start.end()
        else:
            listener.start()
        gc.collect()
        gc.freeze()  # what is here stays: the collector need not look at it again
        giving_back = self._loop.create_task(heap.give_back_freed_memory())
        self._tell(Serving())
        await self._stop.wait()
        giving_back.cancel()
        catalogue.is_ready = False
        await listener.drain(self._grace_s)
        for switch in self._switches:
            switch.cancel()
        await self._assembly.close()
        self._pool.close()
        if self._is_stuck:
            sys.stderr.flush()
            os._exit(EXIT_STUCK)  # the usual way out waits for threads that may never end
        threads.close()

    def _give_up(self) -> None:
        """Every thread for steps hangs: finish what can be finished, and let another front take this place."""
        if not self._is_stuck:
            self._is_stuck = True
            self._tell(Failed("every thread for the steps of services hangs"))
            self._stop.set()

    # -- models

    async def _live(self, spec: DeploymentSpec) -> LiveEngine:
        """Ask for the engines of a model; services that need the same ones share them."""
        identity = spec.identity
        if identity not in self._lives:
            self._specs[identity], self._lives[identity] = spec, LiveEngine()
            self._tell(Needed(identity, spec.to_json()))
        return self._lives[identity]

    def _switch(self, version: Live) -> None:
        """A version is loaded: let it answer, and say so; when the one before it is done, say that."""
        task = self._loop.create_task(self._switch_to(version))
        self._switches.add(task)
        task.add_done_callback(self._switches.discard)

    async def _switch_to(self, version: Live) -> None:
        live = self._lives[version.deployment]
        limits = self._config.limits
        # A run that takes longer than any request may cannot help anybody.
        hung_s = max(HUNG_S, limits.request_s)
        room = math.ceil(limits.max_waiting / len(version.paths))
        model = f"{Path(self._specs[version.deployment].folder).name}, version {version.number}"
        channels = [
            Channel(path, room, partial(self._tell, Hung(path)), self._pool, hung_s, f"{model}, instance {k}")
            for k, path in enumerate(version.paths, 1)
        ]
        before = await live.switch(version.number, Replicas(channels), Path(version.source).name)
        self._tell(Switched(version.deployment, version.number))
        if before is not None:
            await live.drain(before)
            self._tell(Released(version.deployment, before.number))

    async def _reload(self, service: str, allows_change: bool) -> list[Report]:
        """Ask for a new version of each model of a service; what became of that."""
        keys = [key for live in self._assembly.lives_of(service) for key, known in self._lives.items() if known is live]
        return [await self._reload_model(key, allows_change) for key in keys]

    async def _reload_model(self, identity: str, allows_change: bool) -> Report:
        self._last_asked += 1
        number = self._last_asked
        self._asked[number] = self._loop.create_future()
        self._tell(ReloadAsked(identity, allows_change, number))
        return await self._asked[number]

    async def _record(self, seconds: float) -> bytes:
        """What all fronts see of their requests from now on, as a Chrome trace."""
        if recording.now is not None:
            raise Busy("somebody records already; try again when that is over")
        with tempfile.TemporaryDirectory(prefix="paddle-serving-trace-") as folder:
            until = time.monotonic() + seconds
            self._tell(Record(folder, until))
            await recording.written(Path(folder), until, self._config.fronts)
            return await asyncio.to_thread(chrome_trace.from_files, Path(folder), seconds, self._config.fronts)

    def _set_weights(self, service: str, weights: Mapping[str, object]) -> None:
        """Change the weights of variants here, and, by way of the supervisor, in every front."""
        variants = self._wrappers.variants[service]
        variants.set_weights(weights)
        self._tell(Weights(service, variants.weights))

    # -- the supervisor

    def _hear(self) -> None:
        try:
            message = control.receive(self._line)
        except BlockingIOError:
            return
        match message:
            case None:
                self._loop.remove_reader(self._line.fileno())
                self._grace_s = _GRACE_WITHOUT_SUPERVISOR_S
                self._stop.set()
            case Live():
                self._switch(message)
            case Loading(doing, model):
                self._catalogue.start.note(model, doing)
            case Reloaded(deployment, report, questions):
                self._lives[deployment].last_reload = report
                for number in questions:
                    if not (asked := self._asked.pop(number)).done():  # who asked may have gone
                        asked.set_result(report)
            case Weights(service, weights):
                self._weights[service] = weights
                if service in self._wrappers.variants:
                    self._wrappers.variants[service].set_weights(weights)
            case Record(folder, until):
                self._recorder = self._loop.create_task(recording.record(Path(folder), until))
            case Drain():
                self._stop.set()

    def _tell(self, message: Message) -> None:
        tell(self._line, message)


def tell(line: socket.socket, message: Message) -> None:
    """Send one message to the supervisor, if it is still there."""
    try:
        control.send(line, message)
    except OSError as exc:
        logger.debug("the supervisor does not listen: %s", exc)


def reason_of(error: BaseException) -> str:
    """One line on why the services could not be made."""
    if isinstance(error, ServingError):
        return str(error)
    return f"{type(error).__name__}: {error}"


async def _serve(listening: Sequence[socket.socket], line: socket.socket, raw_config: bytes) -> int:
    try:
        await Front(ServerConfig.from_json(raw_config), listening, line).serve()
    except Exception as exc:
        if not isinstance(exc, ServingError):
            logger.exception("the services cannot be made")
        line.setblocking(True)
        tell(line, Failed.because(reason_of(exc)))
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
