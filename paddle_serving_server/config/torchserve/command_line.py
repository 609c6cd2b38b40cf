"""The command line of `torchserve`, with its file and variables, to one `TorchServeConfig`.

What counts: variables, where the file lets them, before flags, before the file.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config import container_paths
from paddle_serving_server.config.torchserve import properties, snapshot_files
from paddle_serving_server.config.torchserve.values import TorchServeConfig

DEFAULT_FILE: Final = "config.properties"
"""Read where it is in the current folder and no other is named."""
IGNORED: Final = {
    "log_config": "the log is that of the server; --log_level says how much",
    "cpp_log_config": "handlers in C++ are not run",
    "plugins_path": "plug-ins in Java cannot be loaded",
}
"""Flags that are understood, and why they change nothing."""
Verb = Literal["start", "stop", "version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchServeCommand:
    """What `torchserve` is to do."""

    verb: Verb
    config: TorchServeConfig
    is_foreground: bool = False
    snapshots: str = ""
    """The folder that what is registered is written to; empty: it is not."""
    map: tuple[tuple[str, str], ...] = ()
    """Absolute paths of a container, and where they are here."""


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> TorchServeCommand:
    """Read the command line, and what it names.

    Raises:
        BadConfig: a value is of another kind, or the file cannot be read. Wrong flags end the process.
    """
    args = _parser().parse_args(argv)
    snapshots = "" if args.ncs else str((Path(environment.get("LOG_LOCATION", "logs")) / "config").absolute())
    file = args.ts_config or environment.get(f"{properties.PREFIX}CONFIG_FILE") or ""
    if not file and snapshots and (snapshot := snapshot_files.last(Path(snapshots))) is not None:
        file = str(snapshot)
    if not file and Path(DEFAULT_FILE).is_file():
        file = DEFAULT_FILE
    maps = tuple(map(container_paths.parse, args.map))
    flags = _as_settings(args)
    if file:
        config = properties.read(Path(container_paths.here(file, maps)), environment, flags)
    else:
        config = properties.parse("", environment, "the command line", flags)
    config = replace(
        config,
        model_store=container_paths.here(config.model_store, maps),
        workflow_store=container_paths.here(config.workflow_store, maps),
        allows_pickled_weights=args.allow_pickled_weights,
        notes=(*config.notes, *_notes(args)),
    )
    verb: Verb = "version" if args.version else "stop" if args.stop else "start"
    if verb == "start" and not config.model_store and not config.load_models and not config.models:
        raise BadConfig("--model-store says where the models are; it is missing, and no model is named")
    return TorchServeCommand(verb=verb, config=config, is_foreground=args.foreground, snapshots=snapshots, map=maps)


def _as_settings(args: argparse.Namespace) -> dict[str, str]:
    """The flags that say what a setting of the file says."""
    said = {"model_store": args.model_store, "workflow_store": args.workflow_store}
    if args.models is not None:
        said["load_models"] = ",".join(args.models)
    if args.disable_token_auth:
        said["disable_token_authorization"] = "true"
    if args.enable_model_api:
        said["enable_model_api"] = "true"
    return {key: value for key, value in said.items() if value is not None}


def _notes(args: argparse.Namespace) -> list[str]:
    return [f"--{name.replace('_', '-')} has no effect: {why}" for name, why in IGNORED.items() if getattr(args, name)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program.name("python -m paddle_serving_server.torchserve"),
        description="Serve archives of TorchServe, with its APIs and its flags.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("-v", "--version", action="store_true", help="say the version")
    what.add_argument("--start", action="store_true", help="start the server (default)")
    what.add_argument("--stop", action="store_true", help="stop the server that was started here")
    add = parser.add_argument
    add("--ts-config", metavar="FILE", help="settings (default: config.properties, where that is here)")
    add("--model-store", metavar="FOLDER", help="where the archives are")
    add("--workflow-store", metavar="FOLDER", help="where the workflow archives are (default: the model store)")
    add(
        "--models",
        nargs="*",
        metavar="[NAME=]ARCHIVE",
        help="what to load at the start; all: every archive of the store",
    )
    add("--foreground", action="store_true", help="do not go to the background")
    add("--ncs", "--no-config-snapshots", action="store_true", help="do not write down what is registered")
    add("--disable-token-auth", action="store_true", help="let everybody ask who reaches the ports")
    add("--enable-model-api", action="store_true", help="let models be registered and removed over the API")
    add("--allow-pickled-weights", action="store_true", help="load pickled models, which may run any code")
    add("--map", action="append", default=[], metavar="/PATH=FOLDER", help="where a path of a container is here")
    add("--log-config", metavar="FILE", help="without effect")
    add("--cpp-log-config", metavar="FILE", help="without effect")
    add("--plugins-path", metavar="FOLDER", help="without effect")
    return parser
