"""A model.py, from its file to an object that was initialised, with the config that both of them make up."""

import importlib.util
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from paddle_serving_app import fault_place
from paddle_serving_app.triton import backend_utils, repository
from paddle_serving_app.triton.backend_utils.model_config import ModelConfig
from paddle_serving_app.triton.config import TritonModelConfig
from paddle_serving_app.triton.container_paths import ContainerPaths
from paddle_serving_app.triton.repository import RepositoryModel, Rules
from paddle_serving_client.errors import BadModel, ServingError
from paddle_serving_client.wire import triton_config
from paddle_serving_client.wire.proto import triton_model_config_pb2 as pb

CLASS: Final = "TritonPythonModel"
_REQUIREMENTS: Final = "requirements.txt"
_PACKAGES: Final = {
    "cv2": "opencv-python-headless",
    "PIL": "Pillow",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
    "fitz": "PyMuPDF",
}
"""What to install for a module that is called otherwise."""
_IS_PACKAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class PythonModel:
    """A version of a model.py that is loaded; `instance` was not initialised yet."""

    instance: Any
    config: TritonModelConfig
    folder: Path
    """Of the model."""
    version: int

    @property
    def version_folder(self) -> Path:
        """Where model.py is."""
        return self.folder / str(self.version)

    def describe(self, raised: BaseException) -> str:
        """An exception of the model, with its place, in the form that Triton gives it."""
        lines = [
            f"  {Path(frame.filename).relative_to(self.folder.parent)}({frame.lineno}): {frame.name}\n"
            for frame in fault_place.frames_in(raised, self.folder)
        ]
        return f"{type(raised).__name__}: {raised}\n\nAt:\n{''.join(reversed(lines))}"


def loaded(folder: Path, version: int, config: pb.ModelConfig | None, complete: bool) -> PythonModel:
    """Import a model.py, let it complete its config, and make an object of its class.

    Args:
        folder: of the model.
        version: 0 is the newest that its policy serves.
        config: counts in the place of config.pbtxt.
        complete: whether the model may complete it.

    Raises:
        BadModel, BadConfig: it cannot be run, with the line of model.py where that is to blame.
    """
    paths = ContainerPaths(roots=(folder.absolute().parent,))
    rules = Rules(complete=complete, paths=paths)
    model = repository.opened(folder, rules, None if config is None else json.dumps(triton_config.to_fields(config)))
    version = version or model.versions[-1]
    if version not in model.files:
        raise BadModel(f"{folder}: there is no version {version}; there are {', '.join(map(str, model.files))}")
    file = model.files[version]
    try:
        made = _class_of(_imported(file, folder / str(version)), file)
        return PythonModel(made(), _completed(made, model, rules), folder, version)
    except ServingError:
        raise
    except Exception as exc:
        raise BadModel(_told(exc, folder, version)) from exc
    except SystemExit as exc:
        raise BadModel(f"{file}: it ended by sys.exit({exc.code!r})") from exc


def initialise(model: PythonModel, instance: int) -> None:
    """Call `initialize`, where there is one.

    Raises:
        BadModel: it failed.
    """
    config = model.config
    group = config.instance_groups[0] if config.instance_groups else None
    kind = "CPU" if group is None or group.kind != "KIND_GPU" else "GPU"
    device = 0 if group is None or not group.gpus else group.gpus[instance % len(group.gpus)]
    args = {
        "model_config": json.dumps(config.to_fields()),
        "model_instance_kind": kind,
        "model_instance_name": name_of_instance(config, instance),
        "model_instance_device_id": str(device),
        "model_repository": str(model.folder),
        "model_version": str(model.version),
        "model_name": config.name,
    }
    try:
        if hasattr(model.instance, "initialize"):
            model.instance.initialize(args)
    except Exception as exc:
        raise BadModel(_told(exc, model.folder, model.version)) from exc
    except SystemExit as exc:
        raise BadModel(f"{model.version_folder}: initialize ended by sys.exit({exc.code!r})") from exc


def name_of_instance(config: TritonModelConfig, instance: int) -> str:
    """What Triton calls one of the processes of a model: "raises_0"."""
    group = config.instance_groups[0].name if config.instance_groups else config.name
    return f"{group}_{instance}"


def _imported(file: Path, beside: Path) -> ModuleType:
    """The module; what lies beside it can be imported by its name, and as a part of its package, too."""
    backend_utils.install()
    sys.path.append(str(beside))  # behind what is installed, as Triton does it
    package = ModuleType(beside.name)
    package.__path__ = [str(beside)]
    sys.modules[beside.name] = package
    name = f"{beside.name}.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise BadModel(f"{file} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _class_of(module: ModuleType, file: Path) -> Any:
    made = getattr(module, CLASS, None)
    if made is None or not callable(getattr(made, "execute", None)):
        raise BadModel(f"{file}: expected a class {CLASS} with a method execute(self, requests)")
    return made


def _completed(made: Any, model: RepositoryModel, rules: Rules) -> TritonModelConfig:
    """The config, with what the class adds to it."""
    if rules.complete and hasattr(made, "auto_complete_config"):
        given = ModelConfig(json.dumps(model.config.to_fields()))
        completed = made.auto_complete_config(given)
        if not isinstance(completed, ModelConfig):
            raise TypeError(f"auto_complete_config must return the ModelConfig, got {type(completed).__name__}")
        model = repository.opened(model.folder, rules, json.dumps(completed.as_dict()))
    if not model.is_whole:
        raise BadModel(
            f"{model.folder}: neither config.pbtxt nor auto_complete_config of model.py says all inputs and outputs"
        )
    return model.config


def _told(raised: Exception, folder: Path, version: int) -> str:
    text = f"{folder}: {fault_place.told(raised, [folder.resolve(), folder])}"
    if not isinstance(raised, ModuleNotFoundError) or not raised.name:
        return text
    module = raised.name.partition(".")[0]
    text += f"; install it: pip install {_PACKAGES.get(module, module)}"
    for listed in (folder / str(version) / _REQUIREMENTS, folder / _REQUIREMENTS):
        if listed.is_file():
            return f"{text}, or all that {listed} lists: pip install -r {listed}"
    return text
