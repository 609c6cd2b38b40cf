"""GeneralModelService: tensors for the server's first service, as brpc answered it over gRPC."""

from collections.abc import Mapping

from paddle_serving_server.dataplane import general_model
from paddle_serving_server.protocols.grpc.services import Method

API = "paddle"
NAMES = (general_model.FULL_SERVICE, general_model.SERVICE)
METHODS: Mapping[str, Method] = dict.fromkeys(general_model.METHODS, general_model.answer)
