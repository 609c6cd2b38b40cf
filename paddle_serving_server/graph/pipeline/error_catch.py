"""Errors of pipelines: their numbers, under the names of Paddle Serving, and the exception that ops may raise."""

from enum import IntEnum
from typing import Final

from paddle_serving_client.errors import BackendFailed


class CustomExceptionCode(IntEnum):
    """Numbers in `err_no` of a pipeline's answer; 51 to 99 are for products."""

    OK = 0
    PRODUCT_ERROR = 50
    NOT_IMPLEMENTED = 3000
    CLOSED_ERROR = 3001
    NO_SERVICE = 3002
    INIT_ERROR = 3003
    CONF_ERROR = 4000
    INPUT_PARAMS_ERROR = 5000
    TIMEOUT = 6000
    TYPE_ERROR = 7000
    RPC_PACKAGE_ERROR = 8000
    CLIENT_ERROR = 9000
    UNKNOW = 10000


ChannelDataErrcode: Final = CustomExceptionCode


class CustomException(Exception):  # the name that ops know
    """Raise it in an op to answer the request with a number and a text of one's own.

    The request gets the number in any case; the text only if `isSendToUser` is true, for it is in the log as well.
    """

    def __init__(self, exceptionCode: int, errorMsg: str, isSendToUser: bool = False) -> None:
        super().__init__(errorMsg)
        self.error_code = int(exceptionCode)
        self.error_msg = errorMsg
        self.is_send_to_user = isSendToUser


class OpFailed(BackendFailed):
    """A request that an op ended, with the number that its caller gets."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self._number = int(number)

    @property
    def number(self) -> int:
        """See `ServingError.number`."""
        return self._number


def raised(log_id: int, message: object, class_name: str, function: str) -> str:
    """What was raised in user code, in the words that callers of Paddle Serving know."""
    try:
        text = str(message).replace("'", "")
    except Exception:
        text = type(message).__name__
    return f"Log_id: {log_id}  Raise_msg: {text}  ClassName: {class_name}  FunctionName: {function}"
