"""The errors this project raises on purpose, and the public numbers clients already test for.

    ServingError                    10000  anything below
    ├── BadConfig                    4000  flags, yaml, prototxt: the operator must change something
    │   └── Conflict                 4000  it contradicts what is served already
    ├── BadModel                     3003  a model folder that cannot be loaded
    ├── MissingLibrary               3003  a package that is not installed
    ├── NoService                    3002  a name nobody serves
    │   └── NotLoaded                3002  a model that is registered, and not loaded, or was refused
    ├── NoMethod                     3000  a service without that method
    ├── BadInput                     5000  the caller's values; retrying will not help
    │   ├── BadDType                 7000  right name, wrong element type
    │   ├── TooLarge                 5000  over a limit
    │   └── UnsupportedMedia         5000  bytes of a kind we do not read
    ├── BadPacket                    8000  bytes that are not the protocol they claim to be
    ├── Busy                         8000  over the queue limit; try again later
    │   └── Starting                 8000  the server loads its models; try again later
    ├── Stopping                     3001  the server is going down; try another
    ├── Unreachable                  3001  a client cannot reach a server
    ├── DeadlineExceeded             6000  no answer in time
    └── BackendFailed                9000  the inference library or user code failed
        └── EngineLost               9000  the engine process died with the request inside

The numbers are those of Paddle Serving 0.9 (`paddle_serving_server.pipeline.error_catch`).
No transport is known here: each protocol owns the table from these to its status.
"""

from enum import IntEnum
from typing import ClassVar


class ErrNo(IntEnum):
    """Numbers as clients see them in `err_no`."""

    OK = 0
    NOT_IMPLEMENTED = 3000
    CLOSED = 3001
    NO_SERVICE = 3002
    INIT = 3003
    CONFIG = 4000
    INPUT = 5000
    TIMEOUT = 6000
    TYPE = 7000
    PACKET = 8000
    BACKEND = 9000
    UNKNOWN = 10000


class ServingError(Exception):
    """Root of every error this project raises on purpose. Its text can always be sent: no lone surrogate is in it."""

    err_no: ClassVar[ErrNo] = ErrNo.UNKNOWN

    @property
    def number(self) -> int:
        """What callers get and counts have; a pipeline's op may give its callers numbers of its own."""
        return int(self.err_no)

    def __str__(self) -> str:
        try:
            return super().__str__().encode("utf-8", "backslashreplace").decode()
        except Exception:  # what it was made with cannot be turned into text: an error about that would hide this one
            return f"{type(self).__name__} without a text"


class BadConfig(ServingError, ValueError):
    """A flag, a yaml key or a config file says something impossible."""

    err_no = ErrNo.CONFIG


class Conflict(BadConfig):
    """What is asked of the models of a running server contradicts what is there."""


class BadModel(ServingError, ValueError):
    """A model folder is incomplete, damaged, or not what its config says."""

    err_no = ErrNo.INIT


class MissingLibrary(ServingError, ImportError):
    """A package is needed that is not installed; the message says which and how to get it."""

    err_no = ErrNo.INIT


class NoService(ServingError):
    """Nobody serves that name."""

    err_no = ErrNo.NO_SERVICE


class NotLoaded(NoService):
    """The model is registered, and it is not loaded, or could not be; the message has the reason."""


class NoMethod(ServingError):
    """The service has no such method."""

    err_no = ErrNo.NOT_IMPLEMENTED


class BadInput(ServingError, ValueError):
    """The caller sent something the service cannot take."""

    err_no = ErrNo.INPUT


class BadDType(BadInput):
    """An input has an element type the model does not take."""

    err_no = ErrNo.TYPE


class TooLarge(BadInput):
    """Something is over a limit; the message names the limit."""


class UnsupportedMedia(BadInput):
    """The bytes are not of a kind that is read here (for example, not an image)."""


class BadPacket(ServingError, ValueError):
    """The bytes are not the protocol they claim to be."""

    err_no = ErrNo.PACKET


class Busy(ServingError):
    """Too many requests wait already."""

    err_no = ErrNo.PACKET

    def __init__(self, reason: str = "", retry_after_s: float = 1.0) -> None:
        """`retry_after_s`: how long what waits now is expected to take, in seconds."""
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Starting(Busy):
    """The server loads its models; soon it will answer."""


class Stopping(ServingError):
    """The server is stopping and takes nothing new."""

    err_no = ErrNo.CLOSED


class Unreachable(ServingError, ConnectionError):
    """No server could be reached, or it closed the connection without an answer; try again later."""

    err_no = ErrNo.CLOSED


class DeadlineExceeded(ServingError, TimeoutError):
    """No answer within the time given."""

    err_no = ErrNo.TIMEOUT


class BackendFailed(ServingError):
    """The inference library or the user's code failed on this request."""

    err_no = ErrNo.BACKEND


class EngineLost(BackendFailed):
    """The engine process died while the request was inside, and again on the second try."""
