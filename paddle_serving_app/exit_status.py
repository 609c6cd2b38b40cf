"""How a process ended, for people."""

import signal


def shown(status: int) -> str:
    """As `subprocess` gives it: negative for a signal, which need not be one that has a name."""
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
