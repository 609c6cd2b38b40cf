"""The captured frames for the tests of the client."""

from pathlib import Path

from paddle_serving_client.wire import brpc
from tests.data import frames
from tests.data.frames import read

FOLDER = Path(frames.__file__).parent
CORRELATION_ID = 8589934594
"""Of every captured frame."""


def names(prefix: str) -> list[str]:
    """The captured frames, `req` or `rep`, without suffix."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}_*.bin"))


def frame(name: str) -> brpc.Frame:
    """A captured frame."""
    reader = brpc.FrameReader(reads="requests" if name.startswith("req") else "replies")
    reader.feed(read(f"{name}.bin"))
    whole = reader.next()
    assert whole is not None
    return whole


def payload(name: str) -> bytes:
    """What a captured frame carries, decompressed."""
    whole = frame(name)
    return bytes(brpc.decompress(whole.meta.compress_type, whole.payload))


def http_body(name: str) -> bytes:
    """The body of a captured HTTP request."""
    return read(f"{name}.bin").split(b"\r\n\r\n", 1)[1]


def config(name: str) -> str:
    """The folder of the client config that a request was captured with."""
    return str(FOLDER / "conf" / name)
