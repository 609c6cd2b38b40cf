"""What the processes of a server take: memory, files, threads."""

import contextlib

import psutil

from tests.serving import Server


def all_of(server: Server) -> list[psutil.Process]:
    """The supervisor and everything below it."""
    top = psutil.Process(server.process.pid)
    return [top, *top.children(recursive=True)]


def memory_mb(server: Server) -> float:
    """What they take together, shared pages counted once (PSS), in MB."""
    total = 0
    for process in all_of(server):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6


def files(server: Server) -> int:
    """Open file descriptors of all of them."""
    total = 0
    for process in all_of(server):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.num_fds()
    return total


def fronts(server: Server) -> list[int]:
    """Process numbers of the fronts."""
    return server.children("front.process")


def engines(server: Server) -> list[int]:
    """Process numbers of the engines."""
    return server.children("engine.worker")
