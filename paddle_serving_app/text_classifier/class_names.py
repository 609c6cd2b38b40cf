"""The names of a classifier's classes: id2label.json, or the config of the model."""

import json
from pathlib import Path
from typing import Any, Final

from paddle_serving_client.errors import BadModel

PATTERNS: Final = ("id2label*.json", "config.json")
_NAMES: Final = ("id2label.json", "id2label2.json", "config.json")
_MOST: Final = 100_000
_MAX_BYTES: Final = 16 << 20


def read(path: Path) -> list[str]:
    """The names in the order of the model's outputs.

    Args:
        path: the file, or a folder that has one of these: id2label.json, id2label2.json, config.json. Either a mapping
            of numbers to names, whose keys may be text, or an object with one under "id2label".

    Raises:
        BadModel: there is none, or it does not name every class once.
    """
    file = path if path.is_file() else next((path / name for name in _NAMES if (path / name).is_file()), None)
    if file is None:
        raise BadModel(f"{path}: there is none of {', '.join(_NAMES)}, which name the classes")
    if file.stat().st_size > _MAX_BYTES:
        raise BadModel(f"{file}: {file.stat().st_size} bytes are too many; at most {_MAX_BYTES}")
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise BadModel(f"{file}: it cannot be read as JSON: {exc}") from exc
    if isinstance(found, dict) and isinstance(found.get("id2label"), dict):
        found = found["id2label"]
    if not isinstance(found, dict) or not 0 < len(found) <= _MOST:
        raise BadModel(f'{file}: expected a mapping of numbers to names, as {{"0": "good", "1": "bad"}}')
    try:
        named = {int(number): name for number, name in found.items()}
    except ValueError as exc:
        raise BadModel(f"{file}: expected numbers as keys: {exc}") from exc
    if sorted(named) != list(range(len(named))) or not all(isinstance(name, str) for name in named.values()):
        raise BadModel(f"{file}: expected a name for each number from 0 to {len(found) - 1}, got {sorted(named)[:20]}")
    return [named[number] for number in range(len(named))]
