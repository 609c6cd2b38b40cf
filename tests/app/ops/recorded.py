"""What `record_originals.py` recorded, and the real pictures beside it."""

from pathlib import Path
from typing import Any

import numpy as np

_DATA = Path(__file__).resolve().parents[2] / "data"
PICTURES = _DATA / "pictures"


def recorded(name: str) -> dict[str, Any]:
    with np.load(_DATA / "ops" / f"{name}.npz") as arrays:
        return dict(arrays)


def frozen(array: Any) -> Any:
    """A copy that may not be written to, as arrays off the wire are: an operation that writes in place fails."""
    kept = np.array(array)
    kept.flags.writeable = False
    return kept
