"""Models of Triton's repositories as services: a file that a library runs, user code, or an ensemble of others."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_app.triton import completion, labels, reading
from paddle_serving_app.triton.completion import ModelTensor, ModelTensors
from paddle_serving_app.triton.config import ANY_VERSION, TritonModelConfig, shape_of
from paddle_serving_client.errors import BadModel
from paddle_serving_client.message import Request
from paddle_serving_client.wire import triton_config
from paddle_serving_server.config.triton.model import TritonModel
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.engine import reshaped, sequences
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.graph.tensor_graph import Step, TensorGraph
from paddle_serving_server.services.graph_service import GraphService
from paddle_serving_server.services.handler_service import HandlerService
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code.threads import Threads


def of(model: ServedModel, about: TritonModel) -> Service:
    """The service of a model.

    Raises:
        BadModel: it cannot be loaded, as was found out when the repository was read.
        BadConfig: the steps of an ensemble do not fit together.
    """
    if about.fault:
        raise BadModel(about.fault)
    config = about.parsed
    service: Service
    if config.is_ensemble:
        service = GraphService(model.name, _graph(config), max_rows=max(1, config.max_batch_size))
    elif model.handler is not None:
        service = PythonModelService(model, model.handler)
    else:
        service = RepositoryService(model, config)
    service.triton, service.class_names = config, labels.of(Path(about.folder), config)
    return service


class RepositoryService(ModelService):
    """A model that a library runs, with the inputs and outputs of its config."""

    def __init__(self, model: ServedModel, config: TritonModelConfig) -> None:
        super().__init__(model.name, model)
        self._config = config

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`.

        Raises:
            BadModel: config and model do not belong together.
        """
        made = {}
        for name, engine in engines.items():
            self.triton = completed(self._config, engine.signature)
            made[name] = sequences.around(reshaped.around(engine, self.triton), self.triton)
        super().bind(made, threads)


class PythonModelService(HandlerService):
    """A model.py."""

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`."""
        assert self.triton is not None
        super().bind({name: sequences.around(engine, self.triton) for name, engine in engines.items()}, threads)

    def checked(self, request: Request, signature: Signature) -> Request:
        """See `HandlerService.checked`; what a sequence says of itself is among the tensors."""
        found = super().checked(request, signature)
        assert self.triton is not None
        controls = sequences.controls(self.triton, request.parameters, {})
        return replace(found, tensors={**(found.tensors or {}), **controls}) if controls else found


def completed(config: TritonModelConfig, signature: Signature) -> TritonModelConfig:
    """A config with what it does not say of inputs and outputs, as the model that is loaded says it.

    Raises:
        BadModel: the model does not say it either.
    """
    if config.inputs and config.outputs:
        return config
    message = triton_config.parse_bytes(config.message)
    tensors = ModelTensors(
        tuple(ModelTensor(i.alias, i.elem_type, i.shape) for i in signature.inputs),
        tuple(ModelTensor(o.alias, o.elem_type, (-1, *o.shape)) for o in signature.outputs),
    )
    completion.fill_from_model(message, tensors)
    return reading.of_message(message)


def _graph(config: TritonModelConfig) -> TensorGraph:
    steps = [
        Step(
            step.model_name,
            step.input_map,
            step.output_map,
            version="" if step.model_version == ANY_VERSION else str(step.model_version),
        )
        for step in config.steps
    ]
    inputs = tuple(Input(t.name, t.name, t.elem_type, shape_of(config, t)) for t in config.inputs)
    outputs = tuple(Output(t.name, t.name, t.elem_type, t.dims) for t in config.outputs)
    return TensorGraph(config.name, steps, Signature(inputs, outputs))
