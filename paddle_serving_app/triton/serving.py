"""What a model of a repository is to an engine: its file, how far requests are joined, what callers' shapes become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_serving_app.triton import labels, platforms
from paddle_serving_app.triton.config import QueuePolicy, TensorConfig
from paddle_serving_app.triton.repository import RepositoryModel
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array, describe


@dataclass(frozen=True, slots=True)
class Reshape:
    """How a tensor of callers becomes one of the model, or the other way round; nothing is copied."""

    name: str
    has_rows: bool
    """Whether axis 0 is the batch, which stays."""
    dims: tuple[int, ...]
    """What comes, without the batch axis; -1 may vary."""
    target: tuple[int, ...]
    """What it becomes: as many -1, in the same order."""

    def apply(self, array: Array) -> Array:
        """The same values in the other shape.

        Raises:
            BadInput: the array is not of the shape that comes.
        """
        rows, inner = (array.shape[:1], array.shape[1:]) if self.has_rows else ((), array.shape)
        fits = len(inner) == len(self.dims) and all(map(_fits, self.dims, inner))
        if not fits or (self.has_rows and not rows):
            expected = [*([-1] if self.has_rows else []), *self.dims]
            raise BadInput(f"tensor {self.name!r} must have shape {expected}, got {describe(array)}")
        open_lengths = iter(got for want, got in zip(self.dims, inner, strict=True) if want == -1)
        return array.reshape(*rows, *(next(open_lengths) if dim == -1 else dim for dim in self.target))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """One version of a model, as an engine is told of it."""

    name: str
    version: int
    path: Path
    """What `layout.opened` opens."""
    library: str
    """The one of ours that the config means; it runs the model where no other is allowed to (`exact`)."""
    has_rows: bool
    """Whether axis 0 of every tensor is the batch. Where not, requests are run one by one, whatever their shape."""
    max_rows: int
    """Rows that are computed together at most; a request with more is refused."""
    max_wait_ms: float
    """Longest time a request waits for company, in milliseconds."""
    instances: int
    """Engines; 0: the config does not say."""
    queue: QueuePolicy
    priority_levels: int
    caches_responses: bool
    inputs: Mapping[str, Reshape]
    """Of those that the model takes in another shape than callers send."""
    outputs: Mapping[str, Reshape]
    """Of those that it gives in another shape than callers get."""
    labels: Mapping[str, tuple[str, ...]]
    """Names of classes, by output."""


def version_of(model: RepositoryModel, version: int) -> ServedVersion:
    """What an engine is told of a version.

    Args:
        model: opened; no ensemble and no model.py.
        version: one of its versions.

    Raises:
        BadModel: a file with labels cannot be read.
    """
    config = model.config
    batching = config.dynamic_batching
    has_rows = config.max_batch_size > 0
    kind = platforms.kind_of(config.backend, config.platform, config.default_model_filename)
    return ServedVersion(
        name=config.name,
        version=version,
        path=model.files[version],
        library=kind.ours,
        has_rows=has_rows,
        max_rows=max(1, config.max_batch_size),
        max_wait_ms=batching.max_queue_delay_us / 1000 if batching is not None and has_rows else 0.0,
        instances=model.instances,
        queue=batching.default_queue_policy if batching is not None else QueuePolicy(),
        priority_levels=batching.priority_levels if batching is not None else 0,
        caches_responses=config.response_cache,
        inputs=reshapes(config.inputs, has_rows, to_model=True),
        outputs=reshapes(config.outputs, has_rows, to_model=False),
        labels=labels.of(model.folder, config),
    )


def _fits(want: int, got: int) -> bool:
    return want in (-1, got)


def reshapes(tensors: Sequence[TensorConfig], has_rows: bool, *, to_model: bool) -> dict[str, Reshape]:
    """How inputs (`to_model`) or outputs change on their way, by name; only those that do."""
    changed = [tensor for tensor in tensors if tensor.model_dims != tensor.dims]
    if to_model:
        return {tensor.name: Reshape(tensor.name, has_rows, tensor.dims, tensor.model_dims) for tensor in changed}
    return {tensor.name: Reshape(tensor.name, has_rows, tensor.model_dims, tensor.dims) for tensor in changed}
