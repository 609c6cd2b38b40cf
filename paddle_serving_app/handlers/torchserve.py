"""An archive of TorchServe (`.mar`, or a folder with a manifest): its handler, called as TorchServe calls it.

    handle(data, context)      data: one mapping for each request, with `body`, or the names of the parts of a form

A function, or the one class of the file. What it imports of `ts` is there, whether TorchServe is installed or not.
"""

import contextlib
import importlib
import importlib.util
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from paddle_serving_app import fault_place, torchserve
from paddle_serving_app import handler as handlers
from paddle_serving_app.handler import (
    About,
    Failure,
    HandlerContext,
    HandlerRequest,
    HandlerResult,
    HandlerSpec,
)
from paddle_serving_app.mar import archive as archives
from paddle_serving_app.mar.archive import Archive
from paddle_serving_app.mar.manifest import BUILT_IN, Handler
from paddle_serving_app.torchserve import packages, parts, unpacked
from paddle_serving_app.torchserve.batching import reads_first_only
from paddle_serving_app.torchserve.context import Context
from paddle_serving_app.torchserve.parts import PartsRun
from paddle_serving_client.errors import BadModel
from paddle_serving_client.message import Measured

logger = logging.getLogger(__name__)

_KIND: Final = "torchserve"
_NAMES: Final = Path(torchserve.__file__).parent / "names"
"""Behind everything else that can be imported, so that a TorchServe that is installed comes first."""
_FAILED, _OUT_OF_MEMORY = 503, 507
_OF_PICTURES: Final = ("image_classifier", "image_segmenter", "object_detector")
_OF_TEXTS: Final = "text_classifier"
_OF_BODIES: Final = About(file_input="body")


def claims(path: Path) -> HandlerSpec | None:
    """A file NAME.mar, or a folder with `MAR-INF/MANIFEST.json`."""
    try:
        if path.suffix != ".mar" and not (path.is_dir() and archives.is_archive(path)):
            return None
        return HandlerSpec(kind=_KIND, path=str(path)) if archives.is_archive(path) else None
    except OSError:
        return None


def load(spec: HandlerSpec, context: HandlerContext) -> "TorchServeHandler":
    """See `handler.Kind.load`; `settings`: `name`, `batch_size`, `gpu`, `limits_image_pixels`."""
    with contextlib.ExitStack() as held:
        beside = held.enter_context(unpacked.folder())
        archive = archives.opened(Path(spec.path), beside / "model")
        loaded = _loaded(archive, spec)
        loaded.held = held.pop_all()
        return loaded


def _loaded(archive: Archive, spec: HandlerSpec) -> "TorchServeHandler":
    handler, settings = archive.manifest.handler, spec.settings
    if handler is None or (handler.name not in BUILT_IN and not handler.file) or archive.manifest.runtime == "LSP":
        name = "none" if handler is None else repr(handler.name)
        raise BadModel(f"{spec.path}: its handler is {name}; expected a Python file, or one of {', '.join(BUILT_IN)}")
    _make_importable(archive.folder)
    if settings.get("installs_requirements") and archive.manifest.requirements_file:
        sys.path.insert(1, str(packages.installed(archive.folder / archive.manifest.requirements_file)))
    context = Context(
        model_name=str(settings.get("name") or archive.manifest.model_name),
        model_dir=str(archive.folder),
        manifest=archive.manifest.content,
        batch_size=int(settings.get("batch_size") or 1),
        gpu=settings.get("gpu"),
        limit_max_image_pixels=bool(settings.get("limits_image_pixels", True)),
        model_yaml_config=archive.config,
        allows_pickled_weights=bool(settings.get("allows_pickled_weights")),
    )
    try:
        entry = _entry(handler, archive.folder, context)
    except Exception as exc:
        raise BadModel(f"{spec.path}: {fault_place.told(exc, [archive.folder])}") from exc
    except SystemExit as exc:
        raise BadModel(f"{spec.path}: it ended by sys.exit({exc.code!r})") from exc
    source = (archive.folder / handler.file).read_bytes() if handler.file else b""
    is_single = reads_first_only(source, handler.function)
    if is_single:
        logger.warning("%s: its handler reads the first request of a batch only; it gets one at a time", spec.path)
    about = _about(handler.name)
    return TorchServeHandler(entry, context, 1 if is_single else 0, parts.are_sent(archive.folder), about)


def _about(name: str) -> About:
    """What callers of a handler of that name send: a body, as TorchServe calls it."""
    if name in _OF_PICTURES:
        return replace(_OF_BODIES, kind="image")
    return replace(_OF_BODIES, example={"body": "text"}) if name == _OF_TEXTS else _OF_BODIES


def _make_importable(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    if str(_NAMES) not in sys.path:
        sys.path.append(str(_NAMES))


def _entry(handler: Handler, folder: Path, context: Context) -> Callable[[Any, Any], Any]:
    """What is called for each batch, initialised."""
    if not handler.file:
        return _of_class(importlib.import_module(f"ts.torch_handler.{handler.name}"), context)
    module = _imported(folder / handler.file)
    function = getattr(module, handler.function or "handle", None)
    if function is None and handler.function:
        raise AttributeError(f"{handler.file} has no function {handler.function}")
    if function is None:
        return _of_class(module, context)
    function(None, context)
    entry: Callable[[Any, Any], Any] = function
    return entry


def _of_class(module: ModuleType, context: Context) -> Callable[[Any, Any], Any]:
    classes = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__ and callable(getattr(one, "handle", None))
    ]
    if len(classes) != 1:
        names = ", ".join(one.__name__ for one in classes) or "none"
        raise TypeError(f"expected a function handle, or just one class that has it; got {names}")
    instance: Any = classes[0]()
    if hasattr(instance, "initialize"):
        instance.initialize(context)
    entry: Callable[[Any, Any], Any] = instance.handle
    return entry


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TorchServeHandler(handlers.Handler):
    """See `handler.Handler`."""

    def __init__(
        self,
        entry: Callable[[Any, Any], Any],
        context: Context,
        max_requests: int,
        sends_parts: bool = False,
        about: About = _OF_BODIES,
    ) -> None:
        self._entry = entry
        self._context = context
        self._sends_parts = sends_parts
        self._run_in_parts: PartsRun | None = None
        self.held = contextlib.ExitStack()
        """What is given back at the end: the folder of the archive."""
        self._is_single = max_requests == 1
        self.max_requests = max_requests
        self.about = about

    def handle(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        """See `handler.Handler.handle`; what fails together is tried one by one, so that each gets his own answer."""
        if not self._sends_parts:
            return self._answers(requests)
        run = self._run_in_parts = PartsRun(lambda: self._answers(requests), len(requests))
        self._context.on_parts = lambda sent: run.send(
            {place: self._made(place, value) for place, value in sent.items()}
        )
        return run.begin()

    def busy_since(self) -> float | None:
        """See `handler.Busy`."""
        return None if self._run_in_parts is None else self._run_in_parts.busy_since

    def _answers(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        if len(requests) > 1 and not self._is_single:
            try:
                return self._run(requests)
            except _OtherCount as exc:
                self._is_single = True
                logger.error("%s; it gets one request at a time from now on", exc)
            except Exception as exc:
                if self._run_in_parts is not None and self._run_in_parts.has_sent:
                    return [_failure(exc)] * len(requests)
                logger.exception("a batch of %d failed; its requests are tried one by one", len(requests))
        return [self._alone(request) for request in requests]

    def measured(self) -> Sequence[Measured]:
        """See `handler.Measuring`."""
        return self._context.metrics.drained()

    def close(self) -> None:
        """See `handler.Handler.close`."""
        self.held.close()

    def _alone(self, request: HandlerRequest) -> Any:
        try:
            return self._run([request])[0]
        except Failure as exc:
            return exc
        except _OtherCount as exc:
            logger.error("%s", exc)
            return Failure("number of batch response mismatched", _FAILED)
        except Exception as exc:
            return _failure(exc)

    def _run(self, requests: Sequence[HandlerRequest]) -> list[Any]:
        data = [_row(request) for request in requests]
        self._context.begin(requests)
        began = time.perf_counter()
        results = self._entry(data, self._context)
        self._context.metrics.note_time("PredictionTime", (time.perf_counter() - began) * 1000)
        if not isinstance(results, list):
            raise Failure("Invalid model predict output", _FAILED)
        if len(results) != len(data):
            raise _OtherCount(f"the handler gave {len(results)} results for {len(data)} requests")
        return [self._made(place, value) for place, value in enumerate(results)]

    def _made(self, place: int, value: Any) -> Any:
        """A result of the batch, with what the handler has said of its answer."""
        processor = self._context.request_processor[place]
        return _result(value, processor.status, processor.headers)


class _OtherCount(Exception):
    """There are more or fewer results than requests."""


def _row(request: HandlerRequest) -> dict[str, Any]:
    if request.raw is not None:
        return {"body": bytearray(request.raw)}
    if request.instances is None or len(request.instances) != 1:
        raise Failure("this model takes one instance: POST /predictions/NAME", 400, is_callers=True)
    return {name: bytearray(v) if isinstance(v, bytes) else v for name, v in request.instances[0].items()}


def _result(value: Any, status: int, headers: Mapping[str, str]) -> Any:
    plain = _plain(value)
    if status == 200 and not headers:
        return plain
    kind = next((text for name, text in headers.items() if name.lower() == "content-type"), "")
    others = {name: text for name, text in headers.items() if name.lower() != "content-type"}
    return HandlerResult(value=plain, status=status, headers=others, content_type=kind)


def _plain(value: Any) -> Any:
    """Values as they can travel: what knows how to be a list is one."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Iterator):
        raise Failure("Invalid model predict output", _FAILED)
    return value.tolist() if hasattr(value, "tolist") else value


def _failure(exc: Exception) -> Failure:
    """What the caller is told; the log has the rest."""
    if hasattr(exc, "error_code") and hasattr(exc, "message"):  # ts.utils.util.PredictionException
        return Failure(str(exc.message), int(exc.error_code))
    logger.error("the handler failed", exc_info=exc)
    if isinstance(exc, MemoryError) or type(exc).__name__ == "OutOfMemoryError":
        return Failure("Out of resources", _OUT_OF_MEMORY)
    return Failure("Prediction failed", _FAILED)
