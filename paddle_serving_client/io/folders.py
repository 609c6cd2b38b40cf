"""Writing the two folders of a served model: whole or not at all.

Each folder is made under another name and then put in place. A folder that is there already keeps what its user put in
it: files of the same names are replaced, files that an earlier conversion wrote (its manifest names them) and this one
does not are removed, nothing else is touched. A model file that somebody else put there would leave open which model
the folder serves, so it is refused. The manifest comes last: a folder caught in between does not match it, and is not
loaded. A killed conversion leaves a hidden `.NAME.*.partial` folder, which may be deleted.
"""

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from paddle_serving_client import encryption, manifest, model_config
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.io.source import FIELDS, ModelFile, is_model
from paddle_serving_client.manifest import open_regular
from paddle_serving_client.model_config import ModelSpec

if sys.platform != "win32":
    import fcntl

_MODEL_ENDINGS = (".pdmodel", "__model__", ".onnx", ".pdiparams", "__params__")
_SERVER_CONFIGS = (model_config.SERVER_CONFIG, model_config.SERVER_STREAM)
_CLIENT_CONFIGS = (model_config.CLIENT_CONFIG, model_config.CLIENT_STREAM)
_COPY_BYTES = 1 << 20
_ROLES = (encryption.Role.PROGRAM, encryption.Role.PARAMS)


def write_pair(
    server: str | Path, client: str | Path, files: Sequence[ModelFile], spec: ModelSpec, key: bytes | None = None
) -> None:
    """Write the server's and the client's folder.

    Args:
        server: gets the model's files, the config in both forms, and the manifest.
        client: gets the config in both forms; may be the same folder.
        files: the model's files.
        spec: the config.
        key: encrypts the files, the program first; None: they are copied as they are.

    Raises:
        BadConfig: a folder's name is taken by a file, or the server folder holds another model's files.
        BadModel: a source file vanished or changed while it was copied.
        OSError: a folder cannot be written.
    """
    names = [file.name for file in files]
    taken = {manifest.NAME, *_SERVER_CONFIGS, *_CLIENT_CONFIGS}
    twins = sorted({name for name in names if names.count(name) > 1 or name in taken})
    if twins:
        raise BadConfig(f"the server folder would hold two files named {', '.join(map(repr, twins))}")
    with contextlib.ExitStack() as undo:
        server_folder = undo.enter_context(_Folder.prepared(server))
        client_folder = undo.enter_context(_Folder.prepared(client))
        if server_folder.target.is_dir():
            with _locked(server_folder.target):
                server_folder.refuse_foreign(names)
        model = secrets.token_bytes(16)
        roles = (
            [*_ROLES[: sum(file.name != FIELDS for file in files)], *[None] * len(files)]
            if key
            else [None] * len(files)
        )
        for file, role in zip(files, roles, strict=False):
            place = server_folder.partial / file.name
            with _parts_of(file, server_folder.partial) as parts:
                if key and role:
                    encryption.write(parts, place, key, role, model)
                else:
                    _join(parts, place)
        _write_configs(server_folder.partial, spec, *_SERVER_CONFIGS)
        _write_configs(client_folder.partial, spec, *_CLIENT_CONFIGS)
        manifest.write(server_folder.partial, names)
        server_folder.put_in_place([*names, *_SERVER_CONFIGS, manifest.NAME])
        client_folder.put_in_place([*_CLIENT_CONFIGS])


class _Folder:
    """A folder that is being written beside, or inside, the place where it is wanted."""

    def __init__(self, target: Path, partial: Path) -> None:
        self.target = target
        self.partial = partial

    @classmethod
    @contextlib.contextmanager
    def prepared(cls, wanted: str | Path) -> Iterator["_Folder"]:
        """Make the folder to write to; it is gone afterwards, and so are new parents that stayed empty."""
        target = Path(os.path.realpath(wanted))  # a link to a folder stays a link
        if target.exists() and not target.is_dir():
            raise BadConfig(f"{wanted} is a file; a folder is to be written there")
        # Inside a folder that is there: it may be the root of a volume, where a rename from outside cannot reach.
        home = target if target.is_dir() else target.parent
        new_parents = [parent for parent in (home, *home.parents) if not parent.exists()]
        partial = home / f".{target.name}.{secrets.token_hex(4)}.partial"
        try:
            partial.mkdir(parents=True)
            yield cls(target, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            with contextlib.suppress(OSError):
                for parent in new_parents:
                    parent.rmdir()

    def refuse_foreign(self, names: Sequence[str]) -> None:
        """Raise BadConfig where the target holds a model's file that neither this nor an earlier conversion wrote."""
        ours = {*names, *manifest.listed(self.target)}
        foreign = sorted(
            path.name
            for path in self.target.iterdir()
            if path.name not in ours and (path.name.endswith(_MODEL_ENDINGS) or is_model(path))
        )
        if foreign:
            raise BadConfig(
                f"{self.target} already holds {', '.join(foreign)}, which this conversion would not replace; it would "
                f"be open which model the folder serves: remove it, or choose another folder"
            )

    def put_in_place(self, names: Sequence[str]) -> None:
        """Give the finished files their names, in that order."""
        try:
            if self.partial.parent != self.target:
                self.partial.rename(self.target)
                return
        except OSError:
            if not self.target.is_dir():  # else another conversion made it meanwhile
                raise
        with _locked(self.target):
            stale = self._stale(names)
            for name in names:
                if name == manifest.NAME:
                    for old in stale:
                        self._place(old).unlink(missing_ok=True)
                place = self._place(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                (self.partial / name).replace(place)

    def _stale(self, names: Sequence[str]) -> list[str]:
        """What an earlier conversion left that would be of another model now; nothing in a client's folder."""
        if manifest.NAME not in names:
            return []
        self.refuse_foreign(names)
        return [name for name in manifest.listed(self.target) if name not in names]

    def _place(self, name: str) -> Path:
        place = self.target / name
        real = Path(os.path.realpath(place.parent))
        if self.target not in (real, *real.parents):
            raise BadConfig(f"{place} leads out of {self.target}")
        return place


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One conversion at a time puts its files into a folder, so that they are all of one model."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _parts_of(file: ModelFile, scratch: Path) -> Iterator[Sequence[Path]]:
    """The files that make one; what is no copy is put into one first."""
    if file.content is None:
        yield file.parts
        return
    made = scratch / f".{secrets.token_hex(4)}.made"
    try:
        made.write_bytes(file.content)
        yield [made]
    finally:
        made.unlink(missing_ok=True)


def _join(parts: Sequence[Path], destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    with destination.open("xb") as joined:
        for part in parts:
            with open_regular(part) as stream:
                shutil.copyfileobj(stream, joined, _COPY_BYTES)


def _write_configs(folder: Path, spec: ModelSpec, text: str, stream: str) -> None:
    (folder / text).write_text(model_config.to_text(spec), encoding="utf-8", newline="\n")
    (folder / stream).write_bytes(model_config.to_stream(spec))
