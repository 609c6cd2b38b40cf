import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package of plug-ins, one of which cannot be imported."""
    folder = tmp_path / "fruits"
    (folder / "melon").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "melon" / "__init__.py").write_text("COLOUR = 'green'")
    (folder / "banana.py").write_text("COLOUR = 'yellow'")
    (folder / "apple.py").write_text("raise ImportError('no apples today')")
    (folder / "_shared.py").touch()
    (folder / "notes.txt").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    import fruits  # type: ignore[import-not-found]

    yield fruits
    for name in [name for name in sys.modules if name.split(".")[0] == "fruits"]:
        del sys.modules[name]


def test_names_are_the_files_and_folders_sorted_and_nothing_is_imported(package: ModuleType) -> None:
    assert plugins.names(package) == ["apple", "banana", "melon"]
    assert not [name for name in sys.modules if name.startswith("fruits.")]


def test_load_imports_only_the_one(package: ModuleType) -> None:
    assert plugins.load(package, "banana").COLOUR == "yellow"
    assert plugins.load(package, "melon").COLOUR == "green"
    assert sorted(name for name in sys.modules if name.startswith("fruits.")) == ["fruits.banana", "fruits.melon"]


@pytest.mark.parametrize("name", ["cherry", "_shared", "", "notes", "../banana", "banana.COLOUR", "Banana"])
def test_an_unknown_name_lists_those_there_are(package: ModuleType, name: str) -> None:
    with pytest.raises(BadConfig, match=f"no fruits named {name!r}; there are: apple, banana, melon"):
        plugins.load(package, name)


def test_what_a_plugin_raises_on_import_is_not_hidden(package: ModuleType) -> None:
    with pytest.raises(ImportError, match="no apples today"):
        plugins.load(package, "apple")
