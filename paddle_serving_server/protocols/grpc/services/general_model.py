"""GeneralModelService: tensors for the server's first service, as brpc answered it over gRPC."""

from collections.abc import Callable, Mapping

from paddle_serving_server.dataplane import general_model_calls
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.recalled_calls import RecalledCalls
from paddle_serving_server.protocols.grpc.services import Method, SmallCall, SmallCalls


class _Recalled:
    """Small calls of the first service."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._calls = RecalledCalls()

    def find(self, message: memoryview) -> tuple[str, SmallCall] | None:
        """See `SmallCalls`."""
        name = self._plane.catalogue.tensor_service.name
        if (lane := self._plane.try_now(name)) is None or (call := self._calls.find(message, lane)) is None:
            return None
        return name, call


API = "paddle"
NAMES = (general_model_calls.FULL_SERVICE, general_model_calls.SERVICE)
METHODS: Mapping[str, Method] = dict.fromkeys(general_model_calls.METHODS, general_model_calls.answer)
SMALL: Mapping[str, Callable[[DataPlane], SmallCalls]] = dict.fromkeys(general_model_calls.METHODS, _Recalled)
