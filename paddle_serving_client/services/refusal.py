"""What a server answered over HTTP in the place of a result, as one of our errors."""

from collections.abc import Mapping
from typing import Final

from paddle_serving_client.errors import Busy, ServingError
from paddle_serving_client.remote_error import NUMBER_HEADER, by_err_no, by_status
from paddle_serving_client.wire import json_text

_LONGEST_QUOTE: Final = 1000
_LONGEST_WAIT_S: Final = 3600


def answered(server: object, status: int, headers: Mapping[str, str], body: bytes | memoryview) -> ServingError:
    """What a server answered over HTTP with a status that is no success.

    Args:
        server: for the text.
        status: of the answer.
        headers: by name in lower case.
        body: JSON with `err_no`, JSON with `error` or `message`, or a text.
    """
    err_no, said = None, bytes(body[:_LONGEST_QUOTE]).decode(errors="replace").strip()
    try:
        fields = json_text.loads(body)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        err_no = fields.get("err_no")
        said = str(fields.get("err_msg") or fields.get("error") or fields.get("message") or said)[:_LONGEST_QUOTE]
    text = f"{server} answered status {status}: {said}"
    if type(err_no) is int and err_no:
        error = by_err_no(err_no, text, status)
    else:
        error = by_status(status, headers.get(NUMBER_HEADER))(text)
    if isinstance(error, Busy):
        wait = headers.get("retry-after", "")
        error.retry_after_s = min(int(wait), _LONGEST_WAIT_S) if wait.isdecimal() and len(wait) < 8 else 1.0
    return error
