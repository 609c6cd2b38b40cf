"""An export of PaddleX, PaddleOCR, PaddleDetection, PaddleSeg or PaddleClas: a model, and beside it the file that says
which steps stand before and behind it.

Of a folder that has the same model as a Paddle program and as ONNX, the program counts: it is what was exported.
"""

from pathlib import Path

from paddle_serving_app import conversions
from paddle_serving_app.exported import description, task
from paddle_serving_app.signature import Signature
from paddle_serving_app.triton.folder import is_lfs_pointer
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import foreign, source

LOOKS_FOR = (
    "an export of PaddleX, PaddleOCR, PaddleDetection, PaddleSeg or PaddleClas: a folder with "
    f"{', '.join(description.FILES[:3])} beside the model"
)
YIELDS_TO = ("serving_folder",)
_ORDER = ("pir", "program", "onnx")


def claims(path: Path) -> bool:
    """By the file that says the steps."""
    return path.is_dir() and description.find(path) is not None


def served(path: Path) -> Path:
    """What its model was converted to, with the files that say its steps: others make another version."""
    refuse_pointers(path)
    return conversions.folder_of(path / model_in(path), description.files_of(path))


def name_of(path: Path) -> str:
    """The folder's name: the model is called `inference` everywhere."""
    return path.resolve().name


def refuse_misfit(path: Path, signature: Signature) -> None:
    """See `layout.refuse_misfit`: a step or setting is not known, or the model is another than the file says."""
    task.read(path, signature)


def model_in(path: Path) -> str:
    """The name of the model file that counts.

    Raises:
        BadModel: there is none, or more than one of the same kind.
    """
    kinds = source.models_in(path)
    for kind in _ORDER:
        if len(names := [name for name, found in kinds.items() if found == kind]) == 1:
            return names[0]
        if names:
            raise BadModel(f"{path} has more than one model: {', '.join(names)}; leave one of them in it")
    raise BadModel(
        f"{path} has no model beside the file that says its steps: {foreign.describe_folder(path)}; "
        "expected inference.json or *.pdmodel with *.pdiparams, or *.onnx"
    )


def refuse_pointers(path: Path) -> None:
    """Refuse a folder that came out of git without its large files.

    Raises:
        BadModel: one of its files is a pointer; the message names it.
    """
    for file in sorted(path.iterdir()):
        if file.is_file() and is_lfs_pointer(file):
            raise BadModel(f"{file} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
