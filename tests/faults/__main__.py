"""Run all faults, or those that are named, and print a table; the exit status is 1 if a bound does not hold."""

import argparse
import importlib
import pkgutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests import faults
from tests.faults.figures import Figure

_NO_FAULTS = ("__main__", "figures", "open_loop", "processes", "services")


def names() -> list[str]:
    """The faults there are: the modules of this folder that have a `run`."""
    return sorted(module.name for module in pkgutil.iter_modules(faults.__path__) if module.name not in _NO_FAULTS)


def main() -> int:
    flags = argparse.ArgumentParser(prog="python -m tests.faults", description=faults.__doc__.partition("\n")[0])
    flags.add_argument("name", nargs="*", help=f"any of {', '.join(names())} (default: all)")
    flags.add_argument("--brief", action="store_true", help="a few seconds each: for every change, not for figures")
    chosen = flags.parse_args()
    if unknown := set(chosen.name) - set(names()):
        flags.error(f"there is no fault {', '.join(sorted(unknown))}; there are: {', '.join(names())}")
    passed = failed = 0
    for name in chosen.name or names():
        started = time.monotonic()
        print(f"-- {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix=f"fault-{name}-") as folder:
            try:
                for figure in _run(name, Path(folder), chosen.brief):
                    print(f"   {figure.line(chosen.brief)}", flush=True)
                    passed += figure.is_met
                    failed += not figure.is_met and not (chosen.brief and figure.is_rough)
            except Exception:  # the other faults are still worth knowing
                traceback.print_exc()
                print(f"   FAILED  {name} did not come to its end", flush=True)
                failed += 1
        print(f"   {time.monotonic() - started:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _run(name: str, folder: Path, brief: bool) -> Iterator[Figure]:
    yield from importlib.import_module(f"tests.faults.{name}").run(folder, brief)


if __name__ == "__main__":
    sys.exit(main())
