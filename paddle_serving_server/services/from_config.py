"""The services that a server is told to have."""

from pathlib import Path

from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.graph.workflow import Workflow
from paddle_serving_server.services.chain_service import ChainService
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code import hosting, namespaces


def services_of(config: ServerConfig) -> list[Service]:
    """The services of a server: the model folders as they are, then those of the service files."""
    services: list[Service] = []
    for model in config.models:
        if model.nodes:
            services.append(ChainService(model.name, Workflow(model.nodes, model.ends)))
            continue
        service = ModelService(model.name)
        service.set_models({"": model.folder})
        if model.options.gpu_id is not None:
            service.set_gpus(str(model.options.gpu_id))
        if model.options.golden:
            service.set_golden(model.options.golden)
        services.append(service)
    namespaces.add([Path(file).parent for file in config.services])
    for file in config.services:
        services += hosting.services_of(file, config.service_argv)
    return services
