"""Which variant a request wants and which one answered it; it follows the request into threads and back."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Choice:
    """One request's."""

    tag: str = ""
    """The variant asked for; empty: whichever the weights give."""
    key: str = ""
    """Requests with the same key get the same variant."""
    log_id: int = 0
    answered: str = ""
    """The variant that was chosen; once it is, all runs of the request stay with it."""


current: ContextVar[Choice | None] = ContextVar("choice", default=None)


def begin(tag: str, key: str) -> Choice:
    """Say what a request wants; to be called in its own task or connection, for each request anew."""
    wanted = Choice(tag, key)
    current.set(wanted)
    return wanted


def note_log_id(log_id: int) -> None:
    """Say the log_id of a request, whose task this is."""
    wanted = current.get()
    if wanted is None:
        current.set(Choice(log_id=log_id))
    else:
        wanted.log_id = log_id
