"""What a version of a model is doing.

register ──> LOADING ──> READY ──> UNLOADING ──> gone
                └──> REFUSED, with the reason
"""

from enum import StrEnum


class State(StrEnum):
    """Of a version in the registry; of a model with none, UNLOADED."""

    LOADING = "LOADING"
    """Its engines load, or not every front offers it yet."""
    READY = "READY"
    """Every front answers with it."""
    UNLOADING = "UNLOADING"
    """It finishes what it was given."""
    REFUSED = "REFUSED"
    """It could not be loaded; the reason is kept."""
    UNLOADED = "UNLOADED"
    """It is registered, and not loaded."""
