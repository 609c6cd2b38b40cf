"""`python -m paddle_serving_app.package`: the models there are, and getting one into the current folder."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from paddle_serving_app import known_models, unpack
from paddle_serving_client import model_config
from paddle_serving_client.errors import BadConfig, BadModel, ServingError
from paddle_serving_client.manifest import open_regular

VARIABLE = "SERVING_MODELS"
"""The environment variable that names the folder of models."""

_ENDINGS = (".tar.gz", ".tgz", ".tar")
_LOCAL, _RECIPES = "Local", "Recipes"
_RECIPES_FOLDER = Path(__file__).resolve().parents[1] / "convert"
_RECIPE_LIMIT_S = 3600


class ServingModels:
    """The models that can be had: those of a folder of archives, and those that a checkout's recipes make."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """`folder` holds NAME.tar.gz, or folders NAME; None: the one that `SERVING_MODELS` names, if it is set."""
        chosen = folder if folder is not None else os.environ.get(VARIABLE)
        self._folder = Path(chosen) if chosen else None

    def get_model_list(self) -> dict[str, list[str]]:
        """Names by kind: first what can be had now, then what Paddle Serving's list had.

        Raises:
            BadConfig: the folder of models is not there.
        """
        here = {_LOCAL: sorted(self._local()), _RECIPES: sorted(_recipes())}
        return {kind: names for kind, names in here.items() if names} | {
            kind: list(names) for kind, names in known_models.NAMES.items()
        }

    def download(self, model_name: str) -> None:
        """Get a model into the current folder: its folders, and the archive where it came as one.

        A name of `Recipes` is made by its recipe, into serving_model/ and serving_client/.

        Raises:
            BadConfig: nobody has a model of that name; the message says what can be done.
            BadModel: its archive is damaged, over the limits, or holds no model.
        """
        local, recipes = self._local(), _recipes()
        if model_name in local:
            _get(local[model_name], Path.cwd())
        elif model_name in recipes:
            _make(recipes[model_name], Path.cwd())
        else:
            raise BadConfig(self.advice(model_name))

    def advice(self, model_name: str) -> str:
        """What to do about a model that is not here."""
        if not known_models.is_known(model_name):
            there = ", ".join(sorted({*self._local(), *_recipes()})) or "none"
            return f"no model {model_name!r}; there are: {there}"
        return (
            f"{model_name}: the host that Paddle Serving got it from is gone. {known_models.instead_of(model_name)} "
            f"If you have {model_name}.tar.gz, put it into a folder and name that with --folder or {VARIABLE}"
        )

    def _local(self) -> dict[str, Path]:
        if self._folder is None:
            return {}
        if not self._folder.is_dir():
            raise BadConfig(f"{self._folder}: there is no such folder of models")
        found: dict[str, Path] = {}
        for path in sorted(self._folder.iterdir()):
            ending = next((e for e in _ENDINGS if path.name.endswith(e) and path.is_file()), None)
            if ending is not None:
                found[path.name.removesuffix(ending)] = path
            elif path.is_dir() and not path.name.startswith("."):
                found.setdefault(path.name, path)
        return found


def _recipes() -> dict[str, Path]:
    """The recipes of this checkout, by the name of what they make; none where only the packages are installed."""
    return {path.stem: path for path in _RECIPES_FOLDER.glob("*.py") if not path.name.startswith("_")}


def _get(path: Path, target: Path) -> None:
    """Copy or unpack a model into the current folder, beside what is there; whole, or not at all."""
    with tempfile.TemporaryDirectory(prefix=".serving-", dir=target) as scratch:
        new = Path(scratch) / "unpacked"
        if path.is_dir():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            unpack.unpack(path, new)
        if not any(new.rglob(model_config.SERVER_CONFIG)):
            raise BadModel(f"{path} holds no model: there is no {model_config.SERVER_CONFIG} in it")
        taken = [found.name for found in new.iterdir() if os.path.lexists(target / found.name)]
        if taken:
            raise BadConfig(f"{', '.join(sorted(taken))}: there already; remove it, or go to another folder")
        for found in new.iterdir():
            found.rename(target / found.name)
    if path.is_file() and not (target / path.name).exists():  # scripts go on with `tar -xzf NAME.tar.gz`
        with open_regular(path) as stream, (target / path.name).open("xb") as out:
            shutil.copyfileobj(stream, out)


def _make(recipe: Path, target: Path) -> None:
    command = [sys.executable, str(recipe), "--root", str(target)]
    try:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=_RECIPE_LIMIT_S).returncode
    except subprocess.TimeoutExpired:
        raise BadModel(f"{recipe.name} did not end in {_RECIPE_LIMIT_S} s") from None
    if status:
        raise BadModel(f"{recipe.name} could not make the model (status {status})")


def _listing(models: ServingModels) -> str:
    lines = []
    for kind, names in models.get_model_list().items():
        if kind in (_LOCAL, _RECIPES):
            lines.append(f"{kind}: {', '.join(names)}")
    lines.append("In Paddle Serving's list, whose host is gone (--get_model NAME says what to do instead):")
    lines += [f"  {kind}: {', '.join(names)}" for kind, names in known_models.NAMES.items()]
    return "\n".join(lines)


def _tutorial(models: ServingModels, name: str) -> str:
    recipes = _recipes()
    if name in recipes:
        return (
            f"python convert/{name}.py\n"
            f"python web_service/{name}.py\n"
            f"The first makes serving_model/ and serving_client/, the second serves them; docs/serve.md says more."
        )
    if name in models.get_model_list().get(_LOCAL, []):
        return (
            f"python -m paddle_serving_app.package --get_model {name}\n"
            f"python -m paddle_serving_server.serve --model FOLDER --port 9393\n"
            f"FOLDER is the one with {model_config.SERVER_CONFIG}; docs/client.md says how to ask."
        )
    return models.advice(name)


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(prog="python -m paddle_serving_app.package", description=__doc__)
    add = flags.add_argument
    add("--list_model", action="store_true", help="what there is")
    add("--get_model", metavar="NAME", help="get a model into the current folder")
    add("--tutorial", metavar="NAME", help="how to serve it")
    add("--folder", metavar="DIR", help=f"folder of NAME.tar.gz and NAME/ (default: ${VARIABLE})")
    return flags


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the flags say; 0, or 1 with one line on stderr."""
    flags = parser()
    arguments = flags.parse_args(argv)
    models = ServingModels(arguments.folder)
    try:
        if arguments.list_model:
            sys.stdout.write(_listing(models) + "\n")
        elif arguments.get_model:
            models.download(arguments.get_model)
            sys.stdout.write(f"{arguments.get_model} is here now\n")
        elif arguments.tutorial:
            sys.stdout.write(_tutorial(models, arguments.tutorial) + "\n")
        else:
            flags.print_help()
    except (ServingError, OSError) as exc:
        sys.stderr.write(f"package: {' '.join(str(exc).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
