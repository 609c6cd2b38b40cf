"""Whether requests of one model may be computed together: tried when it is loaded."""

import logging
from typing import Final

from paddle_serving_app.choosing.samples import Style
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import BackendFailed
from paddle_serving_server.engine import batch

logger = logging.getLogger(__name__)

_USUAL: Final[tuple[Style, Style, Style]] = ("plain", "plain", "plain")
_UNUSUAL: Final[tuple[Style, Style, Style]] = ("signed", "wide", "whole")
"""Of the values of rows that are tried together: one alone, and two others."""


def joins_rows(model: Model) -> bool:
    """Try whether rows of several requests may be computed together: three rows at once, and the same rows alone.

    A row of large numbers is among them, which a model that scales by the largest of a batch lets the others feel.
    Models that take no such numbers are tried with those that they take.
    """
    if not model.signature.can_join:
        return False
    tries = [_joins(model, styles) for styles in (_USUAL, _UNUSUAL)]
    if tries[0] and tries[1] is not False:
        return True
    logger.info("requests are not joined: this model mixes the rows of a batch")
    return False


def _joins(model: Model, styles: tuple[Style, Style, Style]) -> bool | None:
    """Whether rows of these styles are the same together and alone; None: the model does not take them alone."""
    one, two = model.sample(1, 1, styles[:1]), model.sample(2, 2, styles[1:])
    if one is None or two is None:
        return None
    feeds = [batch.Feed.of(sample.arrays, {}) for sample in (one, two)]
    try:
        alone = [model.run(Arranged(tuple(feed.arrays), {})).arrays for feed in feeds]
    except BackendFailed as exc:
        logger.info("not tried in a batch with others: %s", exc)
        return None
    try:
        together = batch.split(model.run(Arranged(batch.join(feeds), {})).arrays, [feed.rows for feed in feeds])
    except BackendFailed as exc:
        logger.info("requests are not joined: %s", exc)
        return False
    return together is not None and batch.agree(together, alone)
