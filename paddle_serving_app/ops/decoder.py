"""Decoding where it can be stopped: in a few processes, for the pictures of which nobody can tell how long they take.

A file of 1 MB can say what takes a minute to decode, and a thread cannot be stopped. Ordinary pictures do not come
here. The processes are started when they are needed, and end when they have not been for a while.
"""

import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Final

import numpy as np

from paddle_serving_app.ops.decoder_child import ANSWER, QUESTION
from paddle_serving_client.errors import BadInput, Busy, TooLarge
from paddle_serving_client.message import Array

IN_PROCESS_S: Final = 3.0
"""Seconds of one core, as estimated, from which a picture is decoded apart."""
LONGEST_S = 8
"""Seconds of one core after which decoding is ended; the largest pictures within the limits take 2 or 3."""
MEMORY_BYTES = 2 << 30
"""That decoding may take; the largest pictures within the limits take 1 GB."""
WAIT_S = 20.0
"""How long a picture waits for a process that is free."""
_ANSWER_S = 60.0
"""By the clock, where the processor is busy with other things."""
_IDLE_S = 60.0
_MOST_PROCESSES = max(2, min(4, os.cpu_count() or 1))
_CHILD = Path(__file__).with_name("decoder_child.py")


class _Ended(Exception):
    """The process is no more; it had nothing to do for a while, or somebody ended it."""


class _Decoder:
    """One process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            limits = map(str, (theirs.fileno(), LONGEST_S, MEMORY_BYTES, _IDLE_S))
            try:
                # In a session of its own: Ctrl-C in a terminal is meant for the server, which ends it by leaving.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(_CHILD), *limits],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as exc:
                ours.close()
                raise Busy("no process can be started to decode a large picture; try again later") from exc
        self._link = ours
        ours.settimeout(_ANSWER_S)
        self.close = weakref.finalize(self, _end, ours, self._process, os.getpid())
        """End it at once; without a call, when nobody has it any more, and at the end of this process."""

    def decode(self, data: bytes, flags: int, what: str) -> Array | None:
        """As `decoded_apart`.

        Raises:
            _Ended: the process had ended before.
        """
        if self._process.poll() is not None:
            self.close()
            raise _Ended
        file = os.memfd_create("picture")
        try:
            with open(file, "wb", closefd=False) as stream:
                stream.write(data)
            socket.send_fds(self._link, [QUESTION.pack(flags)], [file])
            answer, fds, _, _ = socket.recv_fds(self._link, ANSWER.size, 1)
        except TimeoutError:
            self.close()
            raise TooLarge(f"{what} takes too long to decode") from None
        except ConnectionError:
            answer, fds = b"", []
        finally:
            os.close(file)
        if not answer:
            raise self._why_ended(what)
        return _pixels(answer, fds)

    def _why_ended(self, what: str) -> Exception:
        status = self._process.wait()
        self.close()
        if status == 0:
            return _Ended()
        if status == -signal.SIGXCPU:
            return TooLarge(f"{what} takes more than {LONGEST_S} s of processor time to decode")
        return BadInput(f"{what} is damaged: it cannot be decoded")


def _end(link: socket.socket, process: "subprocess.Popen[bytes]", owner: int) -> None:
    link.close()
    if os.getpid() == owner:  # not in a process that was forked off
        process.kill()
        process.wait()


def _pixels(answer: bytes, fds: list[int]) -> Array | None:
    rows, columns, channels, item_bytes = ANSWER.unpack(answer)
    if not fds:
        return None
    try:
        memory = mmap.mmap(fds[0], rows * columns * max(channels, 1) * item_bytes)
    finally:
        os.close(fds[0])
    shape = (rows, columns, channels) if channels else (rows, columns)
    return np.frombuffer(memory, np.uint16 if item_bytes == 2 else np.uint8).reshape(shape)


class _Decoders:
    """The processes of this one. A process that was forked off it must not use them: it has its own."""

    def __init__(self) -> None:
        self._free: list[_Decoder] = []
        self._places = threading.Semaphore(_MOST_PROCESSES)

    def decode(self, data: bytes, flags: int, what: str) -> Array | None:
        if not self._places.acquire(timeout=WAIT_S):
            raise Busy("other large pictures are being decoded; try again later")
        try:
            while True:
                try:
                    decoder = self._free.pop()
                except IndexError:
                    decoder = _Decoder()
                try:
                    image = decoder.decode(data, flags, what)
                except _Ended:
                    continue
                self._free.append(decoder)
                return image
        finally:
            self._places.release()


_decoders: dict[int, _Decoders] = {}
"""By process id: who is forked off must not talk to the decoders of its parent."""


def decoded_apart(data: bytes, flags: int, what: str) -> Array | None:
    """Decode a picture file in a process that is ended when it takes too much.

    Args:
        data: the file.
        flags: of `cv2.imdecode`.
        what: its name, for errors.

    Returns:
        What `cv2.imdecode` gives; None: it cannot be decoded.

    Raises:
        TooLarge: it takes more than `LONGEST_S` of processor time.
        BadInput: the decoder crashed, or needs more than `MEMORY_BYTES`.
        Busy: no process is free in `WAIT_S`, or can be started.
    """
    return _decoders.setdefault(os.getpid(), _Decoders()).decode(data, flags, what)
