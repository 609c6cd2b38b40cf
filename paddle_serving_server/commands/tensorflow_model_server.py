"""What `paddle_serving_server.tensorflow_model_server` does: a server by TensorFlow Serving's flags and files."""

import sys
from collections.abc import Sequence

from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.tfserving import command_line, files, served
from paddle_serving_server.config.tfserving.values import TfServingConfig
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.settings import EXIT_BAD_START
from paddle_serving_server.process import log, requirements
from paddle_serving_server.supervisor.model_list import ModelList
from paddle_serving_server.supervisor.runtime import Supervisor


def main(argv: Sequence[str]) -> int:
    """Serve until a signal says stop; returns the exit status."""
    try:
        asked = command_line.parse(argv)
        config, notes = served.server(asked)
        log.configure(config.log_level, "serve")
        for note in notes:
            log.logger.warning("%s", note)
        requirements.check()
        _refuse_empty(config.models)
        return Supervisor(config, model_list=_model_list(asked, config.models)).run()
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_BAD_START


def _refuse_empty(models: Sequence[ServedModel]) -> None:
    """Say at once that there is no model where one should be."""
    for model in models:
        repository.refuse_other(model.folder, f"model {model.name!r}: base_path")


def _model_list(asked: TfServingConfig, models: Sequence[ServedModel]) -> ModelList | None:
    """The file of models, where it is to be read again."""
    if not asked.model_config_file or not asked.config_poll_s:
        return None
    options = models[0].options

    def read() -> tuple[ServedModel, ...]:
        return served.models(files.models(asked.model_config_file, asked.maps), options)

    return ModelList(read, asked.config_poll_s, models)
