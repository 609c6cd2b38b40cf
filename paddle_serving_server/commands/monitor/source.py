"""What a module in `sources/` offers: the state of a done file, and the model behind it."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from paddle_serving_client.errors import BadModel, Unreachable

logger = logging.getLogger(__name__)

TIMEOUT_S = 30.0
"""Longest silence of the other side."""
MAX_STAMP_BYTES = 1 << 20
"""Largest done file that is read."""
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where to look, as the flags say."""

    path: str
    model_name: str
    donefile_name: str
    is_archive: bool = True
    """Whether the model is one tar archive; else it is a folder."""
    max_bytes: int = 64 << 30
    """Largest model."""
    general_host: str = ""
    allowed_hosts: tuple[str, ...] = ()
    ftp_host: str = ""
    ftp_port: int = 21
    ftp_username: str = ""
    ftp_password: str = ""
    hadoop_bin: str = ""
    fs_name: str = ""
    fs_ugi: str = ""

    @property
    def model(self) -> str:
        """The path of the model."""
        return f"{self.path.rstrip('/')}/{self.model_name}"

    @property
    def donefile(self) -> str:
        """The path of the done file."""
        return f"{self.path.rstrip('/')}/{self.donefile_name}"


class Source(Protocol):
    """A module in `sources/`."""

    def check(self, remote: Remote) -> None:
        """Raise BadConfig where a flag is missing that this kind of source needs."""

    def stamp(self, remote: Remote) -> str | None:
        """What the done file looks like; another text means another model. None where there is none.

        Raises:
            Unreachable: the other side does not say.
        """

    def fetch(self, remote: Remote, into: Path) -> None:
        """Get the model: an archive as the file `into`, anything else as the folder `into`.

        Raises:
            Unreachable: it cannot be had.
            BadModel: it is larger than it may be.
        """


def save(stream: IO[bytes], into: Path, max_bytes: int, expected_bytes: int | None = None) -> int:
    """Write a stream to a new file; gives its size.

    Raises:
        BadModel: it is larger than `max_bytes`.
        Unreachable: it ends before `expected_bytes`.
    """
    done = 0
    with into.open("xb") as out:
        while piece := stream.read(_PIECE_BYTES):
            done += len(piece)
            if done > max_bytes:
                raise BadModel(f"{into.name}: more than {max_bytes} bytes (--max_bytes)")
            out.write(piece)
    if expected_bytes is not None and done != expected_bytes:
        raise Unreachable(f"{into.name}: {done} bytes came instead of {expected_bytes}")
    return done
