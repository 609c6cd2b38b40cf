"""Which library runs a model: the one that measured fastest, now or at an earlier start."""

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paddle_serving_app import file_lock
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import contest, contestant, kept_plans
from paddle_serving_app.choosing.effort import THOROUGH, Effort
from paddle_serving_app.choosing.plan import Plan
from paddle_serving_client import manifest
from paddle_serving_client.errors import BadModel

logger = logging.getLogger(__name__)

_MOST_TRIES = 3
_LONGEST_QUEUE = 12.0
"""How many times the time given an engine waits until others have measured."""


def plan_for(
    folder: Path,
    options: ModelOptions,
    seconds: float,
    command: Sequence[str] = contestant.COMMAND,
    readable: Path | None = None,
) -> Plan | None:
    """The plan of a model: the one that is kept, or one that is made now.

    Args:
        folder: the model folder; its files are those of its manifest.
        options: what was asked for, without a backend.
        seconds: about how long the measuring may take; 0: nothing is measured.
        command: what a candidate is tried by.
        readable: where the candidates find the files, if `folder` holds them encrypted.

    Returns:
        None where there is no plan and none could be made; the log says why.

    Raises:
        BadModel: a file of the model cannot be read.
    """
    key = kept_plans.key_of(folder, options)
    found = kept_plans.read(folder, key)
    if seconds <= 0 or (found is not None and not _is_doubted(found)):
        return found
    with file_lock.held(_queue(), seconds * _LONGEST_QUEUE) as is_alone:
        if not is_alone:
            logger.warning("%s is measured while others may be", folder)
        before = kept_plans.read(folder, key)
        if before is not None and (before != found or not _is_doubted(before)):  # another engine was first
            return before
        try:
            found = contest.measure(readable or folder, options, Effort(seconds=seconds), command)
        except Exception:  # whatever it is, the model can be served without a plan
            logger.exception("%s: measuring failed", folder)
            found = None
    if found is None:
        return before
    if before is not None:
        found = replace(found, tries=before.tries + 1)
    if found.doubt:
        logger.warning("%s: %s; it is measured again at the next start", folder, found.doubt)
    kept_plans.write(folder, key, found)
    return found


def _is_doubted(plan: Plan) -> bool:
    """Whether a plan is to be made again: a machine that is always busy has no other."""
    return bool(plan.doubt) and plan.tries < _MOST_TRIES


def tune(folder: Path, options: ModelOptions, seconds: float) -> tuple[Plan, Path | None]:
    """Measure closely, whatever is kept already, and keep what comes out.

    Args:
        folder: the model folder.
        options: as those of the server that will run it, without a backend.
        seconds: about how long.

    Returns:
        The plan, and where it is kept; None where nothing can be written.

    Raises:
        BadModel: the model is damaged, or no library that is installed can run it; the log has each one's reason.
    """
    manifest.verify(folder)
    key = kept_plans.key_of(folder, options)
    with file_lock.held(_queue(), seconds * _LONGEST_QUEUE):
        made = contest.measure(folder, options, replace(THOROUGH, seconds=seconds))
    if made is None:
        raise BadModel(f"{folder}: no library can be measured with it")
    return made, kept_plans.write(folder, key, made)


def _queue() -> Path:
    """Whose lock is held by who measures: two at a time would disturb each other."""
    user = os.getuid() if sys.platform != "win32" else 0
    return Path(tempfile.gettempdir()) / f"paddle_serving_measuring_{user}.lock"
