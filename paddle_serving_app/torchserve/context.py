"""What a handler is told of its model and of the requests of a batch, as TorchServe's `context` has it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paddle_serving_app.handler import HandlerRequest
from paddle_serving_app.torchserve.metrics import MetricsStore

SERVER_VERSION = "0.12.0"
"""Of the TorchServe whose interface this is: handlers compare it."""


class RequestProcessor:
    """The headers, the status and the headers of the answer of one request."""

    def __init__(self, request_header: Mapping[str, str]) -> None:
        self._request_headers = {name.lower(): value for name, value in request_header.items()}
        self.status = 200
        self.reason = ""
        self.headers: dict[str, str] = {}

    def get_request_property(self, key: str) -> str | None:
        """A header of the request; None where it has none of that name."""
        return self._request_headers.get(key.lower())

    def get_request_properties(self) -> dict[str, str]:
        """All of them, with names in small letters."""
        return dict(self._request_headers)

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """The status of the answer."""
        self.status, self.reason = code, reason_phrase or ""

    def add_response_property(self, key: str, value: str) -> None:
        """A header of the answer."""
        self.headers[key] = value

    def get_response_header(self) -> dict[str, str]:
        """The headers of the answer, as far as they are said."""
        return self.headers


class Context:
    """One for each model; what belongs to requests changes from batch to batch."""

    def __init__(
        self,
        model_name: str,
        model_dir: str,
        manifest: Mapping[str, Any],
        batch_size: int,
        gpu: int | None,
        limit_max_image_pixels: bool = True,
        model_yaml_config: Mapping[str, Any] | None = None,
        allows_pickled_weights: bool = False,
    ) -> None:
        self.model_name = model_name
        self.manifest = manifest
        self._system_properties = {
            "model_dir": model_dir,
            "gpu_id": gpu,
            "batch_size": batch_size,
            "server_name": "MMS",
            "server_version": SERVER_VERSION,
            "limit_max_image_pixels": limit_max_image_pixels,
            "allows_pickled_weights": allows_pickled_weights,
        }
        self.model_yaml_config = {} if model_yaml_config is None else model_yaml_config
        self.metrics = MetricsStore(model_name)
        self.request_ids: dict[int, str] | None = None
        self.request_processor: list[RequestProcessor] = []
        self.explain = False
        self.stopping_criteria: Any = None
        self.cache: dict[str, Any] = {}
        self.on_parts: Callable[[Mapping[int, Any]], None] = _refuse_parts
        """Takes parts of answers that are not over."""

    @property
    def system_properties(self) -> dict[str, Any]:
        """`model_dir`, `gpu_id`, `batch_size` and more."""
        return self._system_properties

    def begin(self, requests: Sequence[HandlerRequest]) -> None:
        """The next batch is of these requests."""
        self.request_ids = {k: request.id for k, request in enumerate(requests)}
        self.request_processor = [RequestProcessor(request.headers) for request in requests]
        self.explain = any(request.parameters.get("explain") for request in requests)

    def send_parts(self, parts: Mapping[int, Any]) -> None:
        """Send parts of the answers of some requests of the batch, by their places in it."""
        self.on_parts(parts)

    def get_request_id(self, idx: int = 0) -> str | None:
        """The id of a request of the batch."""
        return (self.request_ids or {}).get(idx)

    def get_request_header(self, idx: int, key: str) -> str | None:
        """A header of a request of the batch."""
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        """All headers of a request of the batch."""
        return self.request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        """The content type of one answer."""
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        """The same, as far as it is said."""
        return self.request_processor[idx].headers.get("content-type")

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """A header of one answer."""
        self.request_processor[idx].add_response_property(key, value)

    def get_response_headers(self, idx: int) -> dict[str, str]:
        """The headers of one answer."""
        return self.request_processor[idx].get_response_header()

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """The status of one answer."""
        self.request_processor[idx].report_status(code, phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """The status of all answers of the batch."""
        for processor in self.request_processor:
            processor.report_status(code, phrase)


def _refuse_parts(parts: Mapping[int, Any]) -> None:
    raise RuntimeError("parts are sent by code in the archive itself; there is none that imports what sends them")
