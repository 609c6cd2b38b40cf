"""One operation of a pipeline: the fields of a request to the `result` of its answer."""

from collections.abc import Mapping
from typing import Any, Protocol

from paddle_serving_app.exported.task import Task
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.paddlex.fields import Check
from paddle_serving_app.paddlex.pipeline_file import PipelineSpec
from paddle_serving_client.message import Array


class Models(Protocol):
    """The models of a pipeline, as one request sees them."""

    spec: PipelineSpec

    def task(self, name: str) -> Task:
        """The task of a module, by its name in the YAML."""

    def run(self, name: str, feed: Mapping[str, Array]) -> Mapping[str, Array]:
        """Have the model of a module answer; the feed has the batch axis."""


class Operation(Protocol):
    """What a module of `operations/` offers."""

    FIELDS: Mapping[str, Check]
    """What a request may have."""
    NEEDED: str
    """The one that it must have."""

    def check(self, models: Models) -> None:
        """Refuse a pipeline that cannot be, before the first request.

        Raises:
            BadConfig: a model is of another task, or a setting is not known.
        """

    def result(self, models: Models, said: Mapping[str, Any], visualizes: bool) -> dict[str, Any]:
        """Answer one request.

        Args:
            models: of the pipeline.
            said: the fields, checked.
            visualizes: whether the answer has pictures.

        Raises:
            Refused: it is not answered; a `ServingError`, too, says why.
        """


def found(models: Models, name: str, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Any]:
    """What one model finds in a picture; what the YAML sets stands where a request says nothing."""
    task, all_options = models.task(name), {**models.spec.modules[name].settings, **options}
    outputs = models.run(name, task.fed(picture, all_options))
    return task.found(picture, outputs, all_options)
