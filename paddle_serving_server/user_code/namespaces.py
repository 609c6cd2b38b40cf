"""The folder of a service file is a name space of its own: its code finds the modules beside it, and nobody else's.

A script finds the modules of its folder first, under their plain names. With several scripts in one process two of
them may have a `helper.py`, and one name in `sys.modules` cannot be both. So code from a service folder has an
`__import__` of its own, which asks for the folder first: it is in the `__builtins__` of the service file and of every
module loaded from beside it, so that it holds for imports at any time and in any thread. A module whose name nobody
else has is loaded under that name, as ever; any other one as a submodule of its folder's own package.

What asks for a module by its plain name from elsewhere (`importlib.import_module`, `pickle`) cannot be told apart:
it finds the names that one folder has, and an error for those that several have.
"""

import builtins
import importlib
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_PREFIX: Final = "service_folder_"


class Namespace:
    """One folder."""

    def __init__(self, folder: str, number: int) -> None:
        self.folder = folder
        self.package = f"{_PREFIX}{number}"
        """Of the modules that cannot have their plain names."""
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self._import}
        """For `__builtins__` in the globals of code from this folder."""
        self.is_private: dict[str, bool] = {}
        """By the names that were asked for: whether it is a module of this folder that has no plain name."""

    def spec(self, name: str, path: Sequence[str] | None = None) -> ModuleSpec | None:
        """Where a module of this folder is, or one of a package of it; None if it is not there."""
        spec = PathFinder.find_spec(name, path or [self.folder])
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(name, spec.loader.path, self)
        return spec

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `import` calls; see the built-in `__import__`."""
        top = name.partition(".")[0]
        is_private = self.is_private.get(top) if level == 0 else False
        if is_private is None:
            is_private = _registry.decide(self, top)
        if not is_private or type(fromlist) is list:  # a list: C code, which then looks for the plain name
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        whole = f"{self.package}.{name}"
        if fromlist:
            return builtins.__import__(whole, globals, locals, fromlist, 0)
        importlib.import_module(whole)
        return sys.modules[f"{self.package}.{top}"]


class _Loader(SourceFileLoader):
    """Runs a module with the builtins of its folder."""

    def __init__(self, name: str, path: str, namespace: Namespace) -> None:
        super().__init__(name, path)
        self._namespace = namespace

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._namespace.builtins
        super().exec_module(module)


class _Registry:
    """All folders of this process; it is in `sys.meta_path` as soon as there is one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._namespaces: dict[str, Namespace] = {}
        self._found: dict[str, Namespace] = {}
        """By the full names of modules that came from one of them."""

    def add(self, folders: Sequence[Path]) -> None:
        with self._lock:
            asked = dict.fromkeys(str(folder.resolve()) for folder in folders)
            new = [folder for folder in asked if folder not in self._namespaces]
            is_first = not self._namespaces
            for folder in new:
                namespace = Namespace(folder, len(self._namespaces) + 1)
                self._namespaces[folder] = namespace
                package = ModuleType(namespace.package)
                package.__path__ = [folder]
                sys.modules[namespace.package] = package
                self._found[namespace.package] = namespace
                # One folder is first on the path, as for a script; of several none may hide what others import.
                if folder not in sys.path:
                    sys.path.insert(0 if is_first and len(new) == 1 else len(sys.path), folder)
            if new:
                for namespace in self._namespaces.values():
                    namespace.is_private.clear()
                if self not in sys.meta_path:
                    sys.meta_path.insert(0, self)

    def of(self, folder: Path) -> Namespace:
        self.add([folder])
        return self._namespaces[str(folder.resolve())]

    def decide(self, namespace: Namespace, name: str) -> bool:
        """Whether a name, asked for from a folder, is a module of it that cannot have its plain name."""
        with self._lock:
            decided = namespace.is_private[name] = self._is_private(namespace, name)
            return decided

    def _is_private(self, namespace: Namespace, name: str) -> bool:
        spec = None if name in sys.builtin_module_names else namespace.spec(name)
        if spec is None or self._found.get(name) is namespace:
            return False
        loaded = sys.modules.get(name)
        if spec.origin is None and (loaded is not None or self._elsewhere(name) is not None):
            return False  # a folder without __init__.py: modules come first
        if loaded is not None:
            return getattr(loaded, "__file__", None) != spec.origin
        is_alone = len(self._namespaces) == 1
        return len(self._owners(name)) > 1 or (not is_alone and self._elsewhere(name) is not None)

    def _owners(self, name: str) -> list[Namespace]:
        return [namespace for namespace in self._namespaces.values() if namespace.spec(name) is not None]

    def _elsewhere(self, name: str) -> ModuleSpec | None:
        """Where a module is beside these folders; folders without __init__.py are none."""
        spec = PathFinder.find_spec(name, [entry for entry in sys.path if entry not in self._namespaces])
        return None if spec is None or spec.loader is None or spec.origin is None else spec

    # -- as a finder of `sys.meta_path`

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of a service folder, asked for by a name that is one in `sys.modules`.

        Raises:
            ImportError: it could be that of several folders.
        """
        parent = name.rpartition(".")[0]
        with self._lock:
            if parent:
                if (namespace := self._found.get(parent)) is None:
                    return None
                spec = namespace.spec(name, list(path or ()))
            else:
                owners = [] if name in sys.builtin_module_names else self._owners(name)
                if not owners:
                    return None
                if len(self._namespaces) > 1 and (elsewhere := self._elsewhere(name)) is not None:
                    return elsewhere
                if len(owners) > 1:
                    folders = ", ".join(owner.folder for owner in owners)
                    which = f"{name!r} is a module in several service folders ({folders})"
                    way_out = "import it by an import statement in a file beside it, or give it another name"
                    raise ImportError(f"{which}: {way_out}", name=name)
                (namespace,) = owners
                spec = namespace.spec(name)
                if spec is not None and spec.origin is None and self._elsewhere(name) is not None:
                    return None
            if spec is not None:
                self._found[name] = namespace
            return spec


_registry: Final = _Registry()


def add(folders: Sequence[Path]) -> None:
    """Make folders known, all of them before any of their code runs: which names are shared depends on all."""
    _registry.add(folders)


def of(folder: Path) -> Namespace:
    """The name space of a folder."""
    return _registry.of(folder)
