"""An exported model that says its own steps, as a service: see `paddle_serving_app.exported`."""

from pathlib import Path

from paddle_serving_app.exported import task
from paddle_serving_app.exported.task import Task
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.services.picture_service import PictureService

_MOST_TASKS = 4
"""Versions that answer side by side while one takes over from another."""


class ExportedService(PictureService):
    """Pictures in; what the model was exported for out. Who sends tensors gets those of the model by itself."""

    def __init__(self, model: ServedModel) -> None:
        super().__init__(model.name)
        self._settle(model)
        self._tasks: dict[str, Task] = {}
        """By the version of the model: a new one may have other labels."""

    def make_task(self) -> Task:
        """That of the version which answers this request."""
        engine = self._engine()
        made = task.read(_source(Path(next(iter(self._folders.values()))), engine.plan.get("from")), engine.signature)
        self._tasks = {**dict(list(self._tasks.items())[1 - _MOST_TASKS :]), engine.version: made}
        return made

    @property
    def task(self) -> Task:
        """See `PictureService.task`."""
        return self._tasks.get(self._engine().version) or self.make_task()


def _source(folder: Path, name: object) -> Path:
    """Where the files of a version lie: a numbered folder, or the folder itself."""
    numbered = folder / str(name)
    return numbered if name and Path(str(name)).name.isdecimal() and numbered.is_dir() else folder
