"""What is registered, written after each change, as TorchServe keeps it."""

import logging

from paddle_serving_server.config.torchserve import snapshot_files
from paddle_serving_server.services.catalogue import Catalogue

logger = logging.getLogger(__name__)


def keep(catalogue: Catalogue) -> None:
    """Write what is registered now, where that is wanted; what is wrong with it is in the log."""
    rules = catalogue.config.torchserve
    if rules is None or not rules.snapshots:
        return
    models = [status.model for status in catalogue.registry.index() if status.model is not None]
    try:
        snapshot_files.write(rules, "snapshot", models)
    except OSError as exc:
        logger.error("what is registered cannot be written down: %s", exc)
