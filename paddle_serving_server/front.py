"""The front process: an event loop that speaks the protocols, runs user code in threads, and asks the engines.

    python -m paddle_serving_server.front LISTENER_FD CONTROL_FD    (started by the supervisor)

It reads a `ServerConfig` from the control socket, makes the services, asks the supervisor for the engines they need,
and accepts when these are loaded. When the control socket closes, the supervisor is gone and so is this.
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
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import uvloop

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.errors import ServingError
from paddle_serving_server import hosting, log
from paddle_serving_server.catalogue import Catalogue
from paddle_serving_server.config import ServerConfig
from paddle_serving_server.engine.channel import HUNG_S, Channel
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.settings import EXIT_CANNOT_START, EngineConfig
from paddle_serving_server.listener import Listener
from paddle_serving_server.web_service import WebService

logger = logging.getLogger(__name__)

_MAX_MESSAGE_BYTES = 1 << 16
_GRACE_WITHOUT_SUPERVISOR_S = 1.0


class Front:
    """One front process."""

    def __init__(self, config: ServerConfig, listening: socket.socket, control: socket.socket) -> None:
        self._config = config
        self._listening = listening
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._grace_s = config.grace_s
        self._paths: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._channels: dict[str, Channel] = {}

    async def serve(self) -> None:
        """Serve until told to stop, then drain."""
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._hear)
        self._loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        services = make_services(self._config)
        catalogue = Catalogue(services)
        executor = ThreadPoolExecutor(self._config.threads, "user-code")
        # All are asked for before any is waited for: they load side by side.
        engines = [await self._engines_of(service) for service in services]
        for channel in self._channels.values():
            await channel.ready()
        for service, its_engines in zip(services, engines, strict=True):
            service.bind(its_engines, executor)
        catalogue.is_ready = True
        listener = Listener(self._listening, catalogue, self._config.limits)
        listener.start()
        gc.collect()
        gc.freeze()  # what is here stays: the collector need not look at it again
        self._tell({"ready": True})
        await self._stop.wait()
        catalogue.is_ready = False
        await listener.drain(self._grace_s)
        for channel in self._channels.values():
            await channel.close()
        executor.shutdown(wait=False, cancel_futures=True)

    async def _engines_of(self, service: WebService) -> dict[str, Engine]:
        plans = {name: (plan.folder, self._options(plan.options)) for name, plan in service.plans.items()}
        if service.in_process:
            tune_s = self._config.tune_s
            return {name: LocalEngine.load(folder, options, tune_s) for name, (folder, options) in plans.items()}
        return {name: await self._channel(folder, options) for name, (folder, options) in plans.items()}

    async def _channel(self, folder: str, options: ModelOptions) -> Channel:
        """The line to the engine of a folder; services that need the same one share it."""
        config = EngineConfig(
            folder=folder,
            options=options,
            max_rows=self._config.max_rows,
            tune_s=self._config.tune_s,
            max_wait_ms=self._config.max_wait_ms,
            log_level=self._config.log_level,
        ).to_json()
        if config not in self._channels:
            self._tell({"need": config})
            path = (await self._paths.get())["path"]
            hung = {"hung": config}
            limits = self._config.limits
            # A run that takes longer than any request may cannot help anybody.
            hung_s = max(HUNG_S, limits.request_s)
            self._channels[config] = Channel(path, limits.max_waiting, lambda: self._tell(hung), hung_s)
        return self._channels[config]

    def _options(self, of_service: ModelOptions) -> ModelOptions:
        """What the service file says, over what the command line says."""
        flags = self._config.options
        return replace(
            flags,
            gpu_id=flags.gpu_id if of_service.gpu_id is None else of_service.gpu_id,
            precision=flags.precision if of_service.precision == "fp32" else of_service.precision,
            use_trt=flags.use_trt or of_service.use_trt,
        )

    def _hear(self) -> None:
        try:
            raw = self._control.recv(_MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._loop.remove_reader(self._control.fileno())
            self._grace_s = _GRACE_WITHOUT_SUPERVISOR_S
            self._stop.set()
            return
        said = json.loads(raw)
        if "path" in said:
            self._paths.put_nowait(said)
        elif "drain" in said:
            self._stop.set()

    def _tell(self, said: dict[str, Any]) -> None:
        tell(self._control, said)


def tell(control: socket.socket, said: dict[str, Any]) -> None:
    """Send one message to the supervisor, if it is still there."""
    try:
        control.send(json.dumps(said).encode())
    except OSError as exc:
        logger.debug("the supervisor does not listen: %s", exc)


def make_services(config: ServerConfig) -> list[WebService]:
    """The services of a server: the model folders as they are, then those of the service files."""
    services: list[WebService] = []
    for model in config.models:
        service = WebService(model.name)
        service.kind = "numbers"  # type: ignore[misc]  # a form for the inputs suits every model that has no code
        service.load_model_config(model.folder)
        services.append(service)
    for file in config.services:
        services += hosting.services_of(file, config.service_argv)
    return services


def reason_of(error: BaseException) -> str:
    """One line on why the services could not be made."""
    if isinstance(error, ServingError):
        return str(error)
    return f"{type(error).__name__}: {error}"


async def _serve(listening: socket.socket, control: socket.socket, raw_config: bytes) -> int:
    try:
        await Front(ServerConfig.from_json(raw_config), listening, control).serve()
    except Exception as exc:
        if not isinstance(exc, ServingError):
            logger.exception("the services cannot be made")
        control.setblocking(True)
        tell(control, {"failed": reason_of(exc)})
        return EXIT_CANNOT_START
    return 0


def main(argv: Iterable[str]) -> int:
    """Serve what the supervisor's config says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    listening, control = (socket.socket(fileno=int(fd)) for fd in argv)
    raw_config = control.recv(_MAX_MESSAGE_BYTES)
    log.configure(json.loads(raw_config)["log_level"], "front")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # a caller's broken picture is his error, not a line of ours
    started = time.monotonic()
    status = uvloop.run(_serve(listening, control, raw_config))
    logger.debug("ended after %.1f s", time.monotonic() - started)
    return status


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(status)
