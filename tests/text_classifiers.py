"""The tiny text classifier of the tests; `tests/data/text_classifier/make.py` made it."""

import shutil
from pathlib import Path

from tests.serving import ROOT

FOLDER = ROOT / "tests" / "data" / "text_classifier"
LABELS = ("помощь", "оплата", "жалоба", "благодарность")
FILES = ("model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json")


def copied(target: Path, *names: str) -> Path:
    """A folder with some of its files, or all that belong to it."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names or FILES:
        shutil.copyfile(FOLDER / name, target / name)
    return target
