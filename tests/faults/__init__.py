"""Faults of the outside world, made on purpose, and what the server owes its callers while they last.

    python -m tests.faults [--brief] [NAME ...]

Each module here makes one kind of fault against a real server and measures; `run` yields one `Figure` after the other,
each with what was measured and what is demanded. It takes minutes and all processors: pytest does not collect it.
"""
