"""Archives of TorchServe, loaded in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddle_serving_app import handler as handlers
from paddle_serving_app.handler import HandlerContext, HandlerSpec
from paddle_serving_app.handlers import torchserve
from paddle_serving_app.mar.manifest import BUILT_IN
from paddle_serving_app.model_archiver import ModelArchiverConfig, generate_model_archive
from tests.app.handlers.python_models import Others

LoadArchive = Callable[..., Any]


class Loaded:
    """Writes archives into a folder and loads them, until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: list[Any] = []

    def __call__(
        self, source: str, extra: str = "", serialized: str = "", settings: dict[str, Any] | None = None, **files: Any
    ) -> Any:
        """A handler, of its source or by the name of one of TorchServe's, loaded."""
        handler = source if source in BUILT_IN else str(self._folder / "handler.py")
        (self._folder / "handler.py").write_text(source)
        config = ModelArchiverConfig(
            model_name="m", version="1.0", handler=handler, export_path=str(self._folder),
            extra_files=extra or None, serialized_file=serialized or None, force=True, **files,
        )  # fmt: skip
        spec = handlers.at(str(generate_model_archive(config)))
        assert spec is not None
        spec = HandlerSpec(kind=spec.kind, path=spec.path, settings=settings or {})
        self._loaded.append(torchserve.load(spec, HandlerContext("m", Others())))
        return self._loaded[-1]

    def close(self) -> None:
        """Let go of all."""
        for one in self._loaded:
            one.close()
