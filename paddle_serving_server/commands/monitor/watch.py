"""One round of the monitor: look at the done file; where it is new, get the model, check it, put it in place."""

import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from paddle_serving_app import unpack
from paddle_serving_client.errors import BadConfig, BadModel, Unreachable
from paddle_serving_server.commands.monitor import install
from paddle_serving_server.commands.monitor.source import Remote, Source

logger = logging.getLogger(__name__)

_ARCHIVE, _UNPACKED, _FOLDER = "archive", "unpacked", "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Where the model goes, as the flags say."""

    path: Path
    model_name: str
    timestamp_file: str = "fluid_time_file"
    tmp_path: str = "_serving_monitor_tmp"
    unpacked_name: str = ""
    """The model's folder in the archive; empty: what comes is a folder."""

    @property
    def model(self) -> Path:
        """The folder that servers read."""
        return self.path / self.model_name

    @property
    def scratch(self) -> Path:
        """Where models lie until they are whole: on the same file system, so that they can be moved into place."""
        return self.path / self.tmp_path


class Watch:
    """What one monitor remembers from round to round."""

    def __init__(self, source: Source, remote: Remote, local: Local) -> None:
        """Raises BadConfig where the source lacks a flag, or a name leads out of its folder."""
        for flag, name in (("local_model_name", local.model_name), ("local_timestamp_file", local.timestamp_file)):
            if not name or name in (".", "..") or set("/\\\0") & set(name):
                raise BadConfig(f"--{flag} {name!r}: expected a name without a path")
        parts = local.unpacked_name.split("/")
        if local.unpacked_name and (local.unpacked_name.startswith("/") or ".." in parts):
            raise BadConfig(f"--unpacked_filename {local.unpacked_name!r} leads out of the archive")
        source.check(remote)
        self._source = source
        self._remote = remote
        self._local = local
        self._stamp: str | None = None

    def look(self) -> bool:
        """Look once; True where a new model was put in place.

        Raises:
            Unreachable: the other side is not there, or sends something else.
            BadModel, BadConfig: what came is no whole model.
            OSError: it cannot be written here.
        """
        stamp = self._source.stamp(self._remote)
        if stamp is None:
            logger.debug("%s is not there", self._remote.donefile)
            return False
        if stamp == self._stamp:
            return False
        logger.info("%s is new: getting %s", self._remote.donefile, self._remote.model)
        self._local.scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="model-", dir=self._local.scratch))
        try:
            is_new = self._update(folder, stamp)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._stamp = stamp
        return is_new

    def _update(self, folder: Path, stamp: str) -> bool:
        new = self._get(folder)
        install.check(new)
        if self._source.stamp(self._remote) != stamp:
            raise Unreachable(f"{self._remote.donefile} changed while the model came; it is got again")
        live = self._local.model
        if live.exists() and not live.is_dir():
            raise BadConfig(f"{live} is a file; a folder is to be written there")
        if install.is_same(new, live):
            logger.info("%s has this model already", live)
            return False
        install.install(new, live, self._local.timestamp_file)
        logger.info("%s has a new model", live)
        return True

    def _get(self, folder: Path) -> Path:
        """The model's folder, as it came."""
        if not self._remote.is_archive:
            self._source.fetch(self._remote, folder / _FOLDER)
            return folder / _FOLDER
        self._source.fetch(self._remote, folder / _ARCHIVE)
        unpack.unpack(folder / _ARCHIVE, folder / _UNPACKED, unpack.Limits(total_bytes=self._remote.max_bytes))
        found = folder / _UNPACKED / self._local.unpacked_name
        if not found.is_dir():
            inside = ", ".join(sorted(os.listdir(folder / _UNPACKED))[:8])
            raise BadModel(
                f"{self._remote.model_name} has no folder {self._local.unpacked_name!r} (--unpacked_filename); "
                f"it has {inside}"
            )
        return found
