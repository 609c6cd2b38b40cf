"""GeneralModelService: tensors for the server's first service, as brpc answered it over gRPC."""

from paddle_serving_server.services import general_model

NAMES = (general_model.FULL_SERVICE, general_model.SERVICE)
METHODS = dict.fromkeys(general_model.METHODS, general_model.answer)
