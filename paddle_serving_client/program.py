"""What a program is called by who started it."""

import sys

_CONSOLE = "paddle-serving "


def name(usual: str) -> str:
    """`paddle-serving serve`, where it was started that way; else the usual name."""
    return sys.argv[0] if sys.argv[0].startswith(_CONSOLE) else usual
