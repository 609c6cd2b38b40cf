"""The files of a model folder, as inference libraries need them: found, checked, and their true shapes read.

Libraries do not check them: Paddle loads a program whose parameters are missing or cut short and answers nonsense, and
dies of a program that is none. So the program and every record of the parameters are read here first.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from paddle_serving_app.backend import TensorSpec
from paddle_serving_client import encryption, manifest, model_config
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import foreign, source
from paddle_serving_client.io.formats import onnx, pir, program
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.proto import framework_pb2

_ENDINGS = (".pdmodel", "__model__", ".json", "model")
"""Of a Paddle program, the likeliest first; Paddle Serving 0.9 took whatever ends with `model`."""
IN_MEMORY = "/proc/"
"""Where the links of a decrypted model lead ..."""
_MEMORY_FILE = "/memfd:"
"""... and what is there."""


@dataclass(frozen=True, slots=True)
class PaddleModel:
    """A Paddle program with its parameters, checked."""

    program: Path
    params: tuple[Path, ...]
    """None, one combined file, or one file per parameter in the order in which a combined file holds them."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def is_pir(self) -> bool:
        """Whether the program is in the JSON form of Paddle 3."""
        return self.program.suffix == ".json"

    def digest(self) -> str:
        """Of the program and its parameters: 32 digits that differ whenever they do."""
        digest = hashlib.sha256(str(len(self.params)).encode())
        for path in (self.program, *self.params):
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()[:32]

    def combined_params(self) -> bytes:
        """What a combined parameter file holds."""
        return b"".join(path.read_bytes() for path in self.params)


def paddle_program(folder: Path) -> Path | None:
    """The Paddle program of a folder, by its name; None where there is none."""
    names = _names(folder)
    for ending in _ENDINGS:
        for name in names:
            if name.endswith(ending) and name != encryption.MODEL and (ending != ".json" or _is_program(folder / name)):
                return folder / name
    return None


def onnx_model(folder: Path) -> Path | None:
    """The ONNX model of a folder, by its name; None where there is none, or only the form of a Paddle program."""
    names = (name for name in _names(folder) if onnx.may_be_model(name))
    return next((folder / name for name in names), None)


def has_converted(folder: Path) -> bool:
    """Whether there is an ONNX form of a Paddle program, by its name."""
    return any(name.startswith(onnx.CONVERTED) and name.endswith(".onnx") for name in _names(folder))


def is_listed(path: Path) -> bool:
    """Whether a file is there, and one of those that the manifest of its folder names, if there is a manifest."""
    return path.name in _names(path.parent)


def is_in_memory(path: Path) -> bool:
    """Whether a model's file is what came out of an encrypted one, which no disk may see."""
    try:
        place = os.readlink(path)
        return place.startswith(IN_MEMORY) and os.readlink(place).startswith(_MEMORY_FILE)
    except OSError:
        return False


def refuse_links_out(folder: Path) -> None:
    """Refuse a model folder with a file that is a link out of it.

    What counts are the config and the files that the manifest names; without one, all files: any of them may hold a
    parameter. A folder that is a link itself, and links inside, as volumes of Kubernetes have them, are all right.

    Raises:
        BadModel: there is such a link; the message names it.
    """
    root = os.path.realpath(folder)
    for name in {*_names(folder), model_config.SERVER_CONFIG}:
        path = folder / name
        if path.is_symlink() and not is_in_memory(path) and not _leads_into(root, path):
            raise BadModel(f"{path} is a link that leads out of the folder; put the file itself there")


def _leads_into(root: str, link: Path) -> bool:
    try:
        return os.path.commonpath((root, os.path.realpath(link))) == root
    except OSError:  # it goes through what this process may not see
        return False


def no_model(folder: Path, expected: str) -> str:
    """Words for a folder without a model that a library reads."""
    if (folder / encryption.MODEL).exists():
        return f"{folder} holds an encrypted model: its key is needed (--key_file, or --use_encryption_model)"
    if not folder.is_dir():
        return f"{folder} is not a folder"
    return f"{folder} holds no {expected}: {foreign.describe_folder(folder)}"


def read_paddle(folder: Path) -> PaddleModel:
    """Read and check the Paddle model of a folder.

    Raises:
        BadModel: there is none, or its program or parameters are damaged, cut short, or do not belong together.
    """
    path = paddle_program(folder)
    if path is None:
        raise BadModel(no_model(folder, "Paddle program"))
    kind: source.Format = pir if path.suffix == ".json" else program
    if not kind.claims(foreign.head_of(path, folder)):
        raise BadModel(f"{path}: {foreign.describe_file(path)}; expected {kind.EXPECTED}")
    found = kind.read(folder, path.name, None, source.Names())
    dims = _pir_dims(path) if path.suffix == ".json" else _program_dims(path)
    params = found.files[1].parts if len(found.files) > 1 else ()
    return PaddleModel(path, params, _specs(found.feeds, dims), _specs(found.fetches, dims))


def check_onnx(path: Path) -> None:
    """Read an ONNX model, and the files it names, before a library follows them.

    Raises:
        BadModel: it is damaged, or names a file that is missing, too short, or outside its folder.
    """
    if not onnx.claims(foreign.head_of(path, path.parent)):
        raise BadModel(f"{path}: {foreign.describe_file(path)}; expected {onnx.EXPECTED}")
    onnx.read(path.parent, path.name, None, source.Names())


def _names(folder: Path) -> list[str]:
    """The files that may be a model: those the manifest lists, else all."""
    if not folder.is_dir():
        return []
    listed = manifest.listed(folder)
    return sorted(listed or (path.name for path in folder.iterdir() if not os.path.isdir(path) and path.name[0] != "."))


def _is_program(path: Path) -> bool:
    """Tell a program from other JSON: it says so, or, when it is damaged, its parameters lie beside it."""
    if path.with_suffix(".pdiparams").exists():
        return True
    try:
        return pir.claims(foreign.head_of(path, path.parent))
    except BadModel:
        return False


def _specs(variables: tuple[Variable, ...], dims: Mapping[str, tuple[int, ...]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(var.name, dims.get(var.name, ()), var.elem_type) for var in variables)


def _program_dims(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        block = framework_pb2.ProgramDesc.FromString(path.read_bytes()).blocks[0]
    except (DecodeError, IndexError) as exc:
        raise BadModel(f"{path}: not a Paddle program") from exc
    return {var.name.decode(errors="replace"): tuple(var.type.lod_tensor.tensor.dims) for var in block.vars}


def _pir_dims(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the operations that have a name: inputs, outputs. The form was checked by `pir.read`."""
    dims: dict[str, tuple[int, ...]] = {}
    for op in json.loads(path.read_bytes())["program"]["regions"][0]["blocks"][0]["ops"]:
        name = next((a["AT"].get("D") for a in op["A"] if isinstance(a, dict) and a.get("N") == "name"), None)
        if isinstance(name, str) and isinstance(op["O"], list) and op["O"]:
            described = op["O"][0]["TT"]["D"]
            if len(described) > 1:
                dims[name] = tuple(described[1])
    return dims
