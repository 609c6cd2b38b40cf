"""Which error of baidu_std says which of ours."""

from typing import Final

from paddle_serving_client import errors
from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire.brpc import RpcError

CODES: Final[tuple[tuple[type[ServingError], RpcError], ...]] = (
    (errors.Conflict, RpcError.BAD_REQUEST),
    (errors.NoService, RpcError.NO_SERVICE),
    (errors.NoMethod, RpcError.NO_METHOD),
    (errors.BadPacket, RpcError.BAD_REQUEST),
    (errors.BadInput, RpcError.BAD_REQUEST),
    (errors.Busy, RpcError.LIMIT),
    (errors.Stopping, RpcError.LOGGED_OFF),
    (errors.DeadlineExceeded, RpcError.TIMED_OUT),
    (errors.BackendFailed, RpcError.OP_FAILED),
)


def code_of(error: ServingError) -> RpcError:
    """What a caller is told."""
    return next((code for kind, code in CODES if isinstance(error, kind)), RpcError.INTERNAL)
