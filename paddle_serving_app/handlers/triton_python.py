"""A `model.py` of Triton's Python backend, in a model folder of a repository; see `paddle_serving_app/triton/python/`.

    class TritonPythonModel:
        def execute(self, requests): ...        # a list of pb_utils.InferenceRequest -> of as many InferenceResponse

What it is given and gives are tensors, those that config.pbtxt or its `auto_complete_config` says. A decoupled model
runs in a thread of its own, so that its answers leave while it still works.
"""

import base64
import logging
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from paddle_serving_app.handler import Failure, Handler, HandlerContext, HandlerRequest, HandlerSpec
from paddle_serving_app.triton import folder, platforms
from paddle_serving_app.triton.backend_utils import host
from paddle_serving_app.triton.backend_utils.errors import TritonModelException
from paddle_serving_app.triton.backend_utils.messages import InferenceRequest, InferenceResponse
from paddle_serving_app.triton.python import loading
from paddle_serving_app.triton.python.link import Link
from paddle_serving_app.triton.python.loading import PythonModel
from paddle_serving_app.triton.python.messages import Conversion, joined, signature_of
from paddle_serving_app.triton.python.server import Server
from paddle_serving_client.errors import BadInput, ServingError
from paddle_serving_client.wire import triton_config

logger = logging.getLogger(__name__)

_KIND: Final = "triton_python"
_MOST_LISTS: Final = 1024
"""Lists of requests of a decoupled model that may wait."""


def claims(path: Path) -> HandlerSpec | None:
    """A model folder whose config says the backend "python", or has no config, and a model.py in a numbered folder."""
    if not path.is_dir():
        return None
    try:
        config = folder.config_of(path)
        if config is None or not (config.backend or config.platform):
            versions = folder.versions(path).numbers
            is_python = bool(versions) and (path / str(versions[-1]) / platforms.file_of(platforms.PYTHON)).is_file()
        else:
            is_python = platforms.PYTHON in (config.backend, config.platform)
    except (ServingError, OSError):
        return None
    return HandlerSpec(kind=_KIND, path=str(path)) if is_python else None


def load(spec: HandlerSpec, context: HandlerContext) -> "TritonPython":
    """See `handler.Kind.load`.

    The path is the folder of the model, or the model.py of a version. `settings`, each of which may be missing:
    `version`; `config`, the message in base64, in the place of config.pbtxt; `complete`, whether model.py may say more.
    """
    settings, path = spec.settings, Path(spec.path)
    folder_of_model = path if path.is_dir() else path.parent.parent
    config = triton_config.parse_bytes(base64.b64decode(settings["config"])) if "config" in settings else None
    model = loading.loaded(folder_of_model, settings.get("version", 0), config, settings.get("complete", True))
    host.connect(Server(context.ask, model.version_folder))
    loading.initialise(model, context.instance)
    return TritonPython(model, context.instance)


class TritonPython(Handler):
    """See `handler.Handler`."""

    def __init__(self, model: PythonModel, instance: int) -> None:
        config = model.config
        self.signature = signature_of(config)
        self.is_decoupled = config.decoupled
        self.max_requests = config.max_batch_size if config.dynamic_batching is not None else 1
        self._model = model
        self._conversion = Conversion(config)
        self._instance = loading.name_of_instance(config, instance)
        self._lists: queue.Queue[list[tuple[InferenceRequest, Link]] | None] = queue.Queue(_MOST_LISTS)
        self._thread = threading.Thread(target=self._run_decoupled, name="execute", daemon=True)
        if self.is_decoupled:
            self._thread.start()

    def handle(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        """See `handler.Handler.handle`."""
        results: list[Any] = []
        for together in joined(self._model.config, requests):
            results += self._begin(together) if self.is_decoupled else self._execute(together)
        return results

    def close(self) -> None:
        """See `handler.Handler.close`."""
        if hasattr(self._model.instance, "finalize"):
            self._model.instance.finalize()

    # -- one answer to each request

    def _execute(self, asked: Sequence[HandlerRequest]) -> list[Any]:
        pairs = [self._asked(one) for one in asked]
        valid = [(request, link) for request, link in pairs if isinstance(request, InferenceRequest)]
        answers = iter(self._answers(valid) if valid else [])
        return [next(answers) if isinstance(request, InferenceRequest) else request for request, _ in pairs]

    def _asked(self, one: HandlerRequest) -> tuple[InferenceRequest | Failure, Link]:
        link = Link(one, self._conversion.result)
        try:
            return self._conversion.request(one, link), link
        except Failure as exc:
            return exc, link
        except BadInput as exc:
            return Failure(str(exc), 400, is_callers=True), link

    def _answers(self, valid: Sequence[tuple[InferenceRequest, Link]]) -> list[Any]:
        requests = [request for request, _ in valid]
        try:
            given = self._model.instance.execute(requests)
            self._check(given, requests)
        except Exception as exc:
            return [self._failure(exc)] * len(requests)
        return [
            link.only() if answer is None else self._result(answer)
            for answer, (_, link) in zip(given or [None] * len(requests), valid, strict=True)
        ]

    def _result(self, answer: Any) -> Any:
        if not isinstance(answer, InferenceResponse):
            return self._failure(
                TritonModelException(
                    "Expected an 'InferenceResponse' object in the execute function return list, found type "
                    f"'{type(answer).__name__}'."
                )
            )
        try:
            return self._conversion.result(answer)
        except Exception as exc:
            return self._failure(exc)

    def _check(self, given: Any, requests: Sequence[InferenceRequest]) -> None:
        if given is None:  # it answers by response senders
            return
        if not isinstance(given, list | tuple):
            raise TritonModelException(f"execute must return a list of InferenceResponse, got {type(given).__name__}")
        if len(given) != len(requests):
            raise TritonModelException(
                "Number of InferenceResponse objects do not match the number of InferenceRequest objects. "
                f"InferenceRequest(s) size is:{len(requests)}, and InferenceResponse(s) size is:{len(given)}"
            )

    def _failure(self, raised: Exception) -> Failure:
        logger.error("%s: execute failed", self._instance, exc_info=raised)
        what = str(raised) if isinstance(raised, TritonModelException) and not raised.__traceback__ else ""
        text = what or self._model.describe(raised)
        return Failure(f"Failed to process the request(s) for model '{self._instance}', message: {text}", 500)

    # -- any number of answers

    def _begin(self, asked: Sequence[HandlerRequest]) -> list[Any]:
        pairs = [self._asked(one) for one in asked]
        valid = [(request, link) for request, link in pairs if isinstance(request, InferenceRequest)]
        if valid:
            try:
                self._lists.put_nowait(valid)
            except queue.Full:
                busy = Failure(f"{_MOST_LISTS} requests wait for this model already", 503)
                return [busy if isinstance(request, InferenceRequest) else request for request, _ in pairs]
        return [link if isinstance(request, InferenceRequest) else request for request, link in pairs]

    def _run_decoupled(self) -> None:
        while (valid := self._lists.get()) is not None:
            try:
                given = self._model.instance.execute([request for request, _ in valid])
                if given is not None:
                    raise TritonModelException(
                        f"Python model '{self._instance}' is using the decoupled mode and the execute function must "
                        "return None."
                    )
            except BaseException as exc:
                failure = self._failure(exc if isinstance(exc, Exception) else TritonModelException(repr(exc)))
                for _, link in valid:
                    link.fail(failure)
