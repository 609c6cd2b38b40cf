"""What a server answered instead of outputs, as one of our errors: by brpc's number, or by the carrier's status."""

from paddle_serving_client.errors import (
    BackendFailed,
    BadConfig,
    BadDType,
    BadInput,
    BadModel,
    BadPacket,
    Busy,
    DeadlineExceeded,
    EngineLost,
    ErrNo,
    NoMethod,
    NoService,
    ServingError,
    Stopping,
    TooLarge,
    UnsupportedMedia,
)
from paddle_serving_client.wire.brpc import RpcError

NUMBER_HEADER = "x-bd-error-code"
"""Header of HTTP, and trailer of gRPC, with brpc's number."""

_BY_NUMBER: dict[int, type[ServingError]] = {
    RpcError.NO_SERVICE: NoService,
    RpcError.NO_METHOD: NoMethod,
    RpcError.BAD_REQUEST: BadInput,
    RpcError.TIMED_OUT: DeadlineExceeded,
    RpcError.OVER_CROWDED: Busy,
    RpcError.LIMIT: Busy,
    RpcError.LOGGED_OFF: Stopping,
    RpcError.OP_FAILED: BackendFailed,
}
_BY_STATUS: dict[int, type[ServingError]] = {
    400: BadInput, 404: NoService, 405: NoMethod, 408: DeadlineExceeded, 413: TooLarge, 415: UnsupportedMedia,
    429: Busy, 500: BackendFailed, 502: Stopping, 503: Busy, 504: DeadlineExceeded,
}  # fmt: skip
_BY_GRPC_NAME: dict[str, type[ServingError]] = {
    "INVALID_ARGUMENT": BadInput,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "NOT_FOUND": NoService,
    "UNIMPLEMENTED": NoMethod,
    "RESOURCE_EXHAUSTED": Busy,
    "INTERNAL": BackendFailed,
}
_BY_ERR_NO: dict[int, type[ServingError]] = {
    ErrNo.NOT_IMPLEMENTED: NoMethod,
    ErrNo.CLOSED: Stopping,
    ErrNo.NO_SERVICE: NoService,
    ErrNo.INIT: BadModel,
    ErrNo.CONFIG: BadConfig,
    ErrNo.INPUT: BadInput,
    ErrNo.TIMEOUT: DeadlineExceeded,
    ErrNo.TYPE: BadDType,
    ErrNo.PACKET: BadPacket,
    ErrNo.BACKEND: BackendFailed,
    ErrNo.UNKNOWN: ServingError,
}
_BY_BOTH: dict[tuple[int, int], type[ServingError]] = {
    (ErrNo.INPUT, 413): TooLarge,
    (ErrNo.INPUT, 415): UnsupportedMedia,
    (ErrNo.PACKET, 503): Busy,
    (ErrNo.BACKEND, 503): EngineLost,
}
"""Where a number is that of several errors, by the HTTP status beside it."""
_SAYS_MORE = (413, 415)
"""Statuses for which brpc has no number of their own."""


def by_number(number: int) -> type[ServingError]:
    """The class of brpc's number."""
    return _BY_NUMBER.get(number, ServingError)


def by_status(status: int, number: str | None) -> type[ServingError]:
    """The class of an HTTP status, and of brpc's number where the server sent one."""
    if number is not None and _is_number(number) and status not in _SAYS_MORE:
        return by_number(int(number))
    return _BY_STATUS.get(status, ServingError)


def by_grpc(name: str, number: str | None) -> type[ServingError]:
    """The class of a gRPC status, by its name, and of brpc's number where the server sent one."""
    if number is not None and _is_number(number):
        return by_number(int(number))
    return _BY_GRPC_NAME.get(name, ServingError)


class NumberedError(ServingError):
    """What somebody's own code raised with a number of its own, as ops of pipelines may."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self._number = number

    @property
    def number(self) -> int:
        """See `ServingError.number`."""
        return self._number


def by_err_no(err_no: int, text: str, status: int = 200) -> ServingError:
    """The error of an `err_no`, and of the HTTP status where that came with one that says more."""
    kind = _BY_BOTH.get((err_no, status)) or _BY_ERR_NO.get(err_no)
    return NumberedError(err_no, text) if kind is None else kind(text)


def _is_number(text: str) -> bool:
    return len(text) < 12 and text.removeprefix("-").isdecimal()
