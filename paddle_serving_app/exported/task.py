"""What an exported model is there for: the steps before it, what its outputs mean, and how that is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from paddle_serving_app.exported import description, tasks
from paddle_serving_app.exported.description import Description
from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.signature import Signature
from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.message import Array


class Task(Protocol):
    """One model's task; it keeps nothing between two pictures."""

    @property
    def title(self) -> str:
        """One line for people."""

    @property
    def outputs(self) -> Sequence[str]:
        """What can be answered; "image" is the picture with the rest drawn in, where there is one."""

    @property
    def usual(self) -> Sequence[str]:
        """Those that are answered where nothing is asked for by name."""

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse options that are not known, or cannot be; `fed` does so, too.

        Raises:
            BadInput: the message names what is wrong.
        """

    def fed(self, picture: ImageU8, options: Mapping[str, Any]) -> dict[str, Array]:
        """The inputs of the model for one picture, by alias, with the batch axis.

        Args:
            picture: BGR. Not modified.
            options: as `found`.

        Raises:
            BadInput: it is no picture for this model, or an option is not known, or cannot be.
        """

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Any]:
        """What the outputs of the model say about a picture: everything in `outputs` but "image".

        Args:
            picture: as it came.
            outputs: of the model, for this picture alone, in the model's order.
            options: thresholds and the like, over those of the file.

        Returns:
            Values that JSON can say, and (H, W) uint8 arrays, which are pictures.

        Raises:
            BadInput: an option is not known, or cannot be. BadConfig: the file does not fit the model.
        """

    def drawn(self, picture: ImageU8, found: Mapping[str, Any]) -> ImageU8:
        """A picture of any size, BGR, with what was found drawn in; coordinates are in pixels of `picture`."""


class Kind(Protocol):
    """What a module of `tasks/` offers."""

    WANTS: str
    """By what it is told from the others, for messages."""

    def claims(self, description: Description) -> bool:
        """Whether a description is of this kind."""

    def make(self, description: Description, signature: Signature) -> Task:
        """The task.

        Raises:
            BadConfig: a step or setting is not known, or the model has other inputs or outputs.
        """


def read(folder: Path, signature: Signature) -> Task:
    """The task of the exported model in a folder.

    Args:
        folder: with the description.
        signature: of the model, loaded.

    Raises:
        BadModel, BadConfig: see `description.read` and `Kind.make`; or nobody knows the task.
    """
    described = description.read(folder)
    kinds: dict[str, Kind] = {name: plugins.load(tasks, name) for name in plugins.names(tasks)}
    claiming = [name for name, kind in kinds.items() if kind.claims(described)]
    if len(claiming) != 1:
        known = "; ".join(f"{name} ({kind.WANTS})" for name, kind in kinds.items())
        what = f"claimed by {' and '.join(claiming)}" if claiming else f"of a task that is not known here: {known}"
        raise BadConfig(
            f"{described.where} is {what}. Its steps are {', '.join(step.name for step in described.steps)}; what "
            f"stands behind the model is {', '.join(_behind(described)) or 'not said'}. The model by itself, without "
            f"these, is served by the path of its file"
        )
    return kinds[claiming[0]].make(described, signature)


def _behind(described: Description) -> list[str]:
    post = described.part("PostProcess")
    return [str(post["name"])] if "name" in post else list(post)
