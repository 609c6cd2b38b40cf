"""Paths as they were inside a container, and where these files are on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from paddle_serving_client.errors import BadConfig


@dataclass(frozen=True, slots=True)
class ContainerPaths:
    """Which folders of a container are which here."""

    maps: tuple[tuple[str, Path], ...] = ()
    """Of `--map FOLDER=DIR`, the longest first."""
    roots: tuple[Path, ...] = ()
    """Model repositories: a path that is nowhere is looked for below them, where only one place can be meant."""

    def found(self, path: str) -> str | None:
        """Where a file or folder is here; None for what is where it says, and for what is nowhere."""
        inside = PurePosixPath(path)
        if not inside.is_absolute() or Path(path).exists():
            return None
        for folder, here in self.maps:
            if inside.is_relative_to(folder):
                return str(here / inside.relative_to(folder))
        for start in range(1, len(inside.parts)):
            tail = PurePosixPath(*inside.parts[start:])
            there = {root / tail for root in self.roots if ".." not in tail.parts and (root / tail).exists()}
            if there:
                return str(there.pop()) if len(there) == 1 else None
        return None


def parse(flags: Sequence[str], roots: Sequence[Path] = ()) -> ContainerPaths:
    """The values of `--map`.

    Raises:
        BadConfig: one is not of the form FOLDER=DIR, its folder is no absolute path, or a folder is there twice.
    """
    maps: dict[str, Path] = {}
    for flag in flags:
        folder, _, here = flag.partition("=")
        if not here or not PurePosixPath(folder).is_absolute():
            raise BadConfig(f"--map is FOLDER=DIR, as /models=./model_repository; got {flag!r}")
        if str(PurePosixPath(folder)) in maps:
            raise BadConfig(f"--map says twice where {folder} is")
        maps[str(PurePosixPath(folder))] = Path(here)
    ordered = sorted(maps.items(), key=lambda item: len(PurePosixPath(item[0]).parts), reverse=True)
    return ContainerPaths(tuple(ordered), tuple(roots))
