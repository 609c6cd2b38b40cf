"""The steps of an ensemble: whether they fit together, and in which order they can run."""

from collections.abc import Mapping, Sequence

from paddle_serving_app.triton.config import Step, TensorConfig, TritonModelConfig, shape_of
from paddle_serving_client.errors import BadConfig, BadModel


def ordered(config: TritonModelConfig) -> tuple[Step, ...]:
    """The steps, each behind those whose outputs it takes; otherwise as the config has them.

    Raises:
        BadConfig: a tensor comes from nowhere or from two places, an output comes from no step, or steps wait for
            each other.
    """
    name = config.name
    made = {tensor.name for tensor in config.inputs}
    for step in config.steps:
        for tensor in step.output_map.values():
            if tensor in made:
                raise BadConfig(f"ensemble '{name}': tensor '{tensor}' comes from more than one place")
            made.add(tensor)
    for step in config.steps:
        for tensor in step.input_map.values():
            if tensor not in made:
                raise BadConfig(
                    f"ensemble '{name}', step '{step.model_name}': no input of the ensemble and no step gives tensor "
                    f"'{tensor}'"
                )
    for output in config.outputs:
        if output.name not in made:
            raise BadConfig(f"ensemble '{name}': no step gives output '{output.name}'")
    return _sorted(config)


def check_models(config: TritonModelConfig, models: Mapping[str, TritonModelConfig]) -> None:
    """Whether the steps fit the models that they name.

    Args:
        config: of the ensemble.
        models: the configs of all models that there are, by name.

    Raises:
        BadModel: a model is missing, has no such input or output, wants another input, or two tensors that are one have
            different types or shapes.
    """
    known = {tensor.name: _About(config, tensor, f"ensemble '{config.name}'") for tensor in config.inputs}
    for step in ordered(config):
        model = models.get(step.model_name)
        if model is None:
            there = ", ".join(models) or "none"
            raise BadModel(
                f"ensemble '{config.name}' depends on '{step.model_name}', which there is not; there are {there}"
            )
        where = f"in ensemble '{config.name}', model '{step.model_name}'"
        _check_names(where, "input", step.input_map, model.inputs)
        _check_names(where, "output", step.output_map, model.outputs)
        missing = [tensor.name for tensor in model.inputs if tensor.name not in step.input_map and not tensor.optional]
        if missing:
            raise BadModel(f"{where}: input '{missing[0]}' gets no tensor")
        inputs = {tensor.name: tensor for tensor in model.inputs}
        for mine, tensor in step.input_map.items():
            _About(model, inputs[mine], f"input '{mine}' of model '{step.model_name}'").must_take(known[tensor], tensor)
        outputs = {tensor.name: tensor for tensor in model.outputs}
        for mine, tensor in step.output_map.items():
            known[tensor] = _About(model, outputs[mine], f"output '{mine}' of model '{step.model_name}'")
    for output in config.outputs:
        _About(config, output, f"ensemble '{config.name}'").must_take(known[output.name], output.name)


class _About:
    """What one model says of a tensor."""

    def __init__(self, config: TritonModelConfig, tensor: TensorConfig, what: str) -> None:
        self._datatype, self._what = tensor.datatype, what
        self._shape = shape_of(config, tensor)

    def must_take(self, other: "_About", tensor: str) -> None:
        pairs = f"{self._what} and {other._what}"
        if self._datatype != other._datatype:
            raise BadModel(
                f"tensor '{tensor}': inconsistent data types {self._datatype} and {other._datatype} of {pairs}"
            )
        mine, its = self._shape, other._shape
        fits = len(mine) == len(its) and all(a == b or -1 in (a, b) for a, b in zip(mine, its, strict=True))
        if not fits:
            raise BadModel(f"tensor '{tensor}': inconsistent shapes {list(mine)} and {list(its)} of {pairs}")


def _sorted(config: TritonModelConfig) -> tuple[Step, ...]:
    ready = {tensor.name for tensor in config.inputs}
    waiting = list(config.steps)
    found: list[Step] = []
    while waiting:
        step = next((step for step in waiting if ready >= set(step.input_map.values())), None)
        if step is None:
            names = ", ".join(step.model_name for step in waiting)
            raise BadConfig(f"ensemble '{config.name}': steps wait for each other: {names}")
        waiting.remove(step)
        found.append(step)
        ready.update(step.output_map.values())
    return tuple(found)


def _check_names(where: str, kind: str, mapped: Mapping[str, str], tensors: Sequence[TensorConfig]) -> None:
    names = [tensor.name for tensor in tensors]
    for name in mapped:
        if name not in names:
            raise BadModel(f"{where} has no {kind} '{name}'; it has {', '.join(names)}")
