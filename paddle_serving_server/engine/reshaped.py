"""An engine whose callers see the inputs and outputs that the config of a repository says, not those of the model.

Which of them there are, in which order, and of which shapes: what callers send is checked against that, and becomes
what the model takes. Nothing is copied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_app.triton import checks
from paddle_serving_app.triton.config import TensorConfig, TritonModelConfig, shape_of
from paddle_serving_app.triton.serving import Reshape
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadInput, BadModel
from paddle_serving_client.message import Array
from paddle_serving_server.engine import sequences
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.wrapper import Wrapper


@dataclass(frozen=True, slots=True)
class _View:
    """How callers see one signature of the model."""

    of: Signature
    seen: Signature
    inputs: tuple[int, ...]
    """For each input of callers, its place among those of the model."""
    outputs: tuple[int, ...]
    """Likewise."""


class ReshapedEngine(Wrapper):
    """Around the engine of a model whose config says something else than the model itself."""

    def __init__(self, engine: Engine, config: TritonModelConfig) -> None:
        """See `around`.

        Raises:
            BadModel: the model has no such input or output, or of another type.
        """
        super().__init__(engine)
        self._config = config
        has_rows = config.max_batch_size > 0
        self._into = {t.name: Reshape(t.name, has_rows, t.dims, t.model_dims) for t in config.inputs if _differs(t)}
        self._out_of = {t.name: Reshape(t.name, has_rows, t.model_dims, t.dims) for t in config.outputs if _differs(t)}
        self._view = _seen(config, engine.signature)
        names = checks.filled_by_server(config)
        self._filled = {name: i for i in engine.signature.inputs for name in (i.name, i.alias) if name in names}

    @property
    def signature(self) -> Signature:
        """See `interface.Engine`."""
        return self._current().seen

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        view = self._current()
        feed = {
            view.of.inputs[place].alias: _reshaped(self._into, spec.name, array)
            for place, spec, array in zip(view.inputs, view.seen.inputs, arranged.arrays, strict=True)
        }
        feed |= sequences.controls(self._config, context.parameters, self._filled)
        reply = await self.inner.run(view.of.arrange(feed), [view.outputs[k] for k in outputs], context)
        names = [view.seen.outputs[k].name for k in outputs]
        try:
            arrays = [_reshaped(self._out_of, n, array) for n, array in zip(names, reply.arrays, strict=True)]
        except BadInput as exc:
            raise BackendFailed(f"model '{self._config.name}' gave something else than its config says: {exc}") from exc
        return replace(reply, arrays=tuple(arrays))

    def _current(self) -> _View:
        if self._view.of is not self.inner.signature:
            self._view = _seen(self._config, self.inner.signature)
        return self._view


def around(engine: Engine, config: TritonModelConfig) -> Engine:
    """The engine itself, where config and model say the same; else one around it that does as the config says.

    Raises:
        BadModel: the model has no such input or output, or of another type.
    """
    made = ReshapedEngine(engine, config)
    seen, of = made.signature, engine.signature
    is_same = [(i.alias, i.shape) for i in seen.inputs] == [(i.alias, i.shape) for i in of.inputs]
    is_same &= [o.alias for o in seen.outputs] == [o.alias for o in of.outputs]
    return engine if is_same and not any(map(_differs, (*config.inputs, *config.outputs))) else made


def _differs(tensor: TensorConfig) -> bool:
    return tensor.model_dims != tensor.dims


def _reshaped(how: Mapping[str, Reshape], name: str, array: Array) -> Array:
    return how[name].apply(array) if name in how else array


def _seen(config: TritonModelConfig, of: Signature) -> _View:
    inputs = {name: k for k, i in enumerate(of.inputs) for name in (i.name, i.alias)}
    outputs = {name: k for k, o in enumerate(of.outputs) for name in (o.name, o.alias)}
    for kind, given, known in (("input", config.inputs, inputs), ("output", config.outputs, outputs)):
        for tensor in given:
            if tensor.name not in known:
                raise BadModel(
                    f"model '{config.name}': unexpected inference {kind} '{tensor.name}', allowed {kind}s are: "
                    f"{', '.join(known)}"
                )
    taken = tuple(inputs[tensor.name] for tensor in config.inputs)
    filled = [inputs[name] for name in checks.filled_by_server(config) if name in inputs]
    if missing := [spec.alias for k, spec in enumerate(of.inputs) if k not in (*taken, *filled)]:
        raise BadModel(
            f"unable to load model '{config.name}', configuration expects {len(taken)} inputs, model provides "
            f"{len(of.inputs)}: {', '.join(missing)}"
        )
    seen_inputs = [_input(config, tensor, of.inputs[k]) for tensor, k in zip(config.inputs, taken, strict=True)]
    gives = tuple(outputs[tensor.name] for tensor in config.outputs)
    seen_outputs = [
        Output(tensor.name, tensor.name, of.outputs[k].elem_type, tensor.dims)
        for tensor, k in zip(config.outputs, gives, strict=True)
    ]
    return _View(of, Signature(tuple(seen_inputs), tuple(seen_outputs)), taken, gives)


def _input(config: TritonModelConfig, tensor: TensorConfig, of: Input) -> Input:
    if of.elem_type not in (dtype.UNKNOWN, tensor.elem_type):
        raise BadModel(
            f"unable to load model '{config.name}', configuration expects datatype {tensor.datatype} for input "
            f"'{tensor.name}', model provides {dtype.name_of(of.elem_type)}"
        )
    return replace(of, name=tensor.name, alias=tensor.name, shape=shape_of(config, tensor))
