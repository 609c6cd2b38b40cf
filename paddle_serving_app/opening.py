"""Which library opens a model folder: the one asked for, or the first that can, and is not known to answer wrongly."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from paddle_serving_app import backends
from paddle_serving_app.backend import Backend, ModelOptions, Plugin
from paddle_serving_app.choosing import contest, objections
from paddle_serving_client import plugins
from paddle_serving_client.errors import BadModel, MissingLibrary
from paddle_serving_client.model_config import ModelSpec

logger = logging.getLogger(__name__)


def opened(
    folder: Path, spec: ModelSpec, options: ModelOptions, refused: Mapping[str, str]
) -> tuple[str, Backend, ModelOptions]:
    """Load the model by the library asked for, or by the first that can and is not refused already, for a reason.

    Returns:
        The library's name, the model, and the options it was loaded with.
    """
    reasons: list[str] = []
    only_missing = True
    for name in _candidates(options):
        plugin = cast(Plugin, plugins.load(backends, name))
        reason = plugin.missing()
        objection = refused.get(name) or plugin.refuses(folder, spec) or _objection(name, folder)
        if reason is None and (reason := objection) is not None:
            only_missing = False
        if reason is None:
            try:
                careful = _without_faults(name, folder, options)
                return name, plugin.load(folder, spec, careful), careful
            except MissingLibrary as exc:
                reason = str(exc)
            except BadModel as exc:
                only_missing = False
                reason = str(exc)
        reasons.append(f"{name}: {reason}")
        if name not in refused:
            logger.info("%s is not loaded by %s", folder, reasons[-1])
    error = MissingLibrary if only_missing else BadModel
    raise error(f"{folder} cannot be loaded. {'; '.join(reasons)}")


def _objection(backend: str, folder: Path) -> str | None:
    """Why a library would answer wrongly, as far as that can be seen in its program."""
    return "; ".join(objections.against(backend, folder)) or None


def _without_faults(backend: str, folder: Path, options: ModelOptions) -> ModelOptions:
    """Without oneDNN where that is known to compute an operator of the model wrongly."""
    if backend != "paddle" or not options.onednn or options.gpu_id is not None:
        return options
    reasons = objections.against(backend, folder, onednn=True)
    if reasons:
        logger.info("%s is run without oneDNN: %s", folder, "; ".join(reasons))
    return replace(options, onednn=not reasons)


def _candidates(options: ModelOptions) -> Iterator[str]:
    if options.backend:
        yield options.backend
        return
    yield from contest.in_order(plugins.names(backends))
