"""ArgsParser: the command line of pipeline scripts, `-c config.yml -o op.det.concurrency=2`."""

import argparse
from collections.abc import Sequence
from typing import Any

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.graph.pipeline import config


class ArgsParser(argparse.ArgumentParser):
    """Flags with a config file and changes to it; `parse_args().conf_dict` is what both say together."""

    def __init__(self) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument("-c", "--config", required=True, help="configuration file to use")
        self.add_argument("-o", "--opt", nargs="+", help="set configuration options: a.b.c=value")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse, with `conf_dict`.

        Raises:
            BadConfig: the file cannot be read, or a change goes into what is no section.
        """
        said = super().parse_args(args, namespace)
        said.conf_dict = config.loaded(said.config)
        for change in said.opt or []:
            path, equals, value = change.partition("=")
            if not equals:
                self.error(f"-o takes a.b.c=value, got {change}")
            _set(said.conf_dict, path.strip().split("."), value)
        return said


def _set(section: dict[str, Any], path: Sequence[str], value: str) -> None:
    for name in path[:-1]:
        if section.get(name) is None:
            section[name] = {}
        section = section[name]
        if not isinstance(section, dict):
            raise BadConfig(f"-o {'.'.join(path)}: {name} is no section of the configuration")
    section[path[-1]] = _value(value)


def _value(text: str) -> Any:
    """Digits are numbers, True and False are what they say, anything else is text."""
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.isdigit() else text
