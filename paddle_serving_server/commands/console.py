"""`paddle-serving`: one command for everything that is done from a terminal.

    paddle-serving serve model.onnx

Each subcommand is the `python -m` form of the same purpose; nothing is imported that the one at hand does not need.
"""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from paddle_serving_client import __version__

_COMMANDS: Final = {
    "serve": ("paddle_serving_server.serve", "serve models and service files, on one port for all protocols"),
    "tritonserver": ("paddle_serving_server.tritonserver", "serve Triton's model repositories by Triton's flags"),
    "page": ("paddle_serving_server.commands.page", "the page to try a server's services in a browser"),
    "convert": ("paddle_serving_client.convert", "make a model folder of a trained model"),
    "predict": ("paddle_serving_server.commands.predict", "ask a service once"),
    "tune": ("paddle_serving_server.commands.tune", "measure which library runs a model fastest"),
    "bench": ("paddle_serving_server.commands.bench", "put a server under load"),
    "trace": ("paddle_serving_server.commands.trace", "record what a server does, for Perfetto"),
    "check": ("paddle_serving_server.serve", "what is installed, and whether it works"),
}
"""By name: the module whose `main` does it, and what it does."""
EXIT_USAGE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_usage())
        return 0 if words else EXIT_USAGE
    name, *rest = words
    if name in ("-V", "--version"):
        sys.stdout.write(f"paddle-serving {__version__}\n")
        return 0
    if name not in _COMMANDS:
        near = difflib.get_close_matches(name, _COMMANDS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        sys.stderr.write(f"paddle-serving: there is no command {name!r}{hint}\n{_usage()}")
        return EXIT_USAGE
    if name == "check":
        rest = ["check", *rest]
    sys.argv = [f"paddle-serving {name}", *rest]  # argparse names the program by it
    try:
        status: int = importlib.import_module(_COMMANDS[name][0]).main(rest)
    except BrokenPipeError:  # who reads what is printed has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _usage() -> str:
    width = max(map(len, _COMMANDS))
    lines = "".join(f"  {name:{width}}  {about}\n" for name, (_, about) in _COMMANDS.items())
    return f"usage: paddle-serving COMMAND ...\n\n{lines}\npaddle-serving COMMAND --help says more.\n"
