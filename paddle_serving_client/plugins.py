"""Plug-ins: a plug-in is a module in a folder, known by its file name and imported only when it is asked for."""

import importlib
import pkgutil
from types import ModuleType

from paddle_serving_client.errors import BadConfig


def names(package: ModuleType) -> list[str]:
    """The plug-ins there are, sorted, without importing any."""
    return sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))


def load(package: ModuleType, name: str) -> ModuleType:
    """Import one plug-in; its heavy imports are paid by those who ask for it.

    Raises:
        BadConfig: there is no plug-in of that name; the message lists those there are.
    """
    if name not in names(package):
        raise BadConfig(f"no {package.__name__} named {name!r}; there are: {', '.join(names(package))}")
    return importlib.import_module(f"{package.__name__}.{name}")
