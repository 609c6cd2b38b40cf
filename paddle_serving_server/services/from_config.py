"""The services that a server is told to have."""

from pathlib import Path

from paddle_serving_app import layout
from paddle_serving_app.paddlex import pipeline_file
from paddle_serving_server.config.values import ServedModel, ServerConfig
from paddle_serving_server.engine import repository
from paddle_serving_server.graph.workflow import Workflow
from paddle_serving_server.services import triton_service
from paddle_serving_server.services.chain_service import ChainService
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
    if _is_exported(model.folder):
        from paddle_serving_server.services.exported_service import ExportedService  # it needs OpenCV, others do not

        return ExportedService(model)
    return ModelService(model.name, model)


def _is_exported(folder: str) -> bool:
    """Whether the newest model in a folder is one that says its own steps."""
    newest = repository.newest(folder).folder
    return layout.is_model(newest) and layout.of(newest) == "exported_model"


def file_services(config: ServerConfig) -> list[Service]:
    """The services of the service files."""
    services: list[Service] = []
    namespaces.add([Path(file).parent for file in config.services])
    for file in config.services:
        if file.endswith(pipeline_file.SUFFIXES):
            from paddle_serving_server.services import paddlex_service  # as above

            services.append(paddlex_service.of(file))
        else:
            services += hosting.services_of(file, config.service_argv)
    return services
