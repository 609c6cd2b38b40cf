"""What fronts and those who asked are told of a deployment: what is being done, and what became of attempts to load."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from paddle_serving_server.engine import repository
from paddle_serving_server.process.control import Loading, Reloaded
from paddle_serving_server.supervisor.child import Slot
from paddle_serving_server.supervisor.version import Report, Version

logger = logging.getLogger(__name__)


class Reports:
    """Of one deployment."""

    def __init__(self, identity: str, folder: str, fronts: set[Slot]) -> None:
        """`fronts` are those that need it, now and later."""
        self._identity = identity
        self._folder = folder
        self._fronts = fronts
        self._last: Report | None = None
        self._doing = "loading"
        """What is done to load its first version."""

    def say(self, state: str, reason: str, version: Version | None, is_live: bool) -> None:
        """Keep what became of an attempt, log it, and tell the fronts and those who asked.

        Args:
            state: loading, reloaded, unchanged or refused.
            reason: why.
            version: which; None: one that is only about to be loaded.
            is_live: whether another one answers.
        """
        self._last = self.made(state, reason, version)
        if state == "refused":
            stays = "the old one stays" if is_live else "the next lower number is tried"
            logger.error("%s: this version is refused, %s: %s", self._folder, stays, reason)
        else:
            logger.info("%s: %s%s", self._folder, state, f": {reason}" if reason else "")
        for front in self._fronts:
            self._tell(front)
        if version is not None:
            askers, version.askers = version.askers, []
            for asker in askers:
                asker(self._last)

    def made(self, state: str, reason: str, version: Version | None) -> Report:
        """A report, as callers see it."""
        report = {"state": state, "reason": reason, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        if version is not None or state != "loading":
            source = version.source if version is not None else ""
            report["from"] = Path(source).name if source else Path(self._folder).name
        return report

    def note(self, doing: str) -> None:
        """Fronts that wait for the first version say what is being done."""
        self._doing = doing
        for front in self._fronts:
            self._tell_doing(front)

    def greet(self, front: Slot) -> None:
        """A front that is new here learns what is being done."""
        self._tell_doing(front)

    def remind(self, front: Slot) -> None:
        """A front that is new here learns what became of the last attempt, if there was one."""
        if self._last is not None:
            self._tell(front)

    def _tell(self, front: Slot) -> None:
        front.tell(Reloaded(self._identity, self._last or {}))

    def _tell_doing(self, front: Slot) -> None:
        front.tell(Loading(self._doing, repository.title_of(self._folder)))
