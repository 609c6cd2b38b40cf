"""The services that a server is told to have."""

from pathlib import Path

from paddle_serving_server.config.values import ServedModel, ServerConfig
from paddle_serving_server.graph.workflow import Workflow
from paddle_serving_server.services import triton_service
from paddle_serving_server.services.chain_service import ChainService
from paddle_serving_server.services.exported_service import ExportedService, is_exported
from paddle_serving_server.services.handler_service import HandlerService
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code import hosting, namespaces


def model_service(model: ServedModel) -> Service:
    """The service of a registered model, or chain of them.

    Raises:
        BadConfig: there is nothing at a path, or no service can have its name.
    """
    if model.triton is not None:
        return triton_service.of(model, model.triton)
    if model.handler is not None:
        return HandlerService(model, model.handler)
    if model.nodes:
        return ChainService(model.name, Workflow(model.nodes, model.ends))
    return ExportedService(model) if is_exported(model.folder) else ModelService(model.name, model)


def file_services(config: ServerConfig) -> list[Service]:
    """The services of the service files."""
    services: list[Service] = []
    namespaces.add([Path(file).parent for file in config.services])
    for file in config.services:
        services += hosting.services_of(file, config.service_argv)
    return services
