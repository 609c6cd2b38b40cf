"""Decodes pictures in a process of its own, which may be ended at any time.

    python -P decoder_child.py SOCKET_FD TIME_S MEMORY_BYTES IDLE_S    (started by `decoder`)

Imports nothing of this project: it is started as a file, wherever that lies. A message is the flags for OpenCV and a
descriptor of memory that holds the picture file; the answer is rows, columns, channels (0: there is no such axis) and
bytes of a number, and a descriptor of memory that holds the pixels; or four zeros: it cannot be decoded.
"""

import mmap
import os
import resource
import socket
import struct
import sys

import cv2
import numpy as np

QUESTION, ANSWER = struct.Struct("<i"), struct.Struct("<IIII")


def main(fd: int, time_s: int, memory_bytes: int, idle_s: float) -> None:
    """Answer until nobody asks any more, or for so long."""
    link = socket.socket(fileno=fd)
    link.settimeout(idle_s)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/statm", encoding="ascii") as statm:
        own_bytes = int(statm.read().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (own_bytes + memory_bytes, resource.RLIM_INFINITY))
    while True:
        try:
            question, fds, _, _ = socket.recv_fds(link, QUESTION.size, 1)
        except TimeoutError:
            return
        if not question:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        # Beyond it the kernel ends this process.
        last_s = int(used.ru_utime + used.ru_stime) + 1 + time_s
        resource.setrlimit(resource.RLIMIT_CPU, (last_s, resource.RLIM_INFINITY))
        _answer(link, QUESTION.unpack(question)[0], fds[0])


def _answer(link: socket.socket, flags: int, fd: int) -> None:
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as file:
        os.close(fd)
        encoded = np.frombuffer(file, np.uint8)
        try:
            image = cv2.imdecode(encoded, flags)
        except (cv2.error, MemoryError):
            image = None
        del encoded
    if image is None or image.size == 0:
        link.sendall(ANSWER.pack(0, 0, 0, 0))
        return
    memory = os.memfd_create("pixels")
    try:
        os.truncate(memory, image.nbytes)
        with mmap.mmap(memory, image.nbytes) as pixels:
            into = np.frombuffer(pixels, image.dtype).reshape(image.shape)
            into[:] = image
            del into
        rows, columns, channels = (*image.shape, 0)[:3]
        socket.send_fds(link, [ANSWER.pack(rows, columns, channels, image.itemsize)], [memory])
    finally:
        os.close(memory)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
