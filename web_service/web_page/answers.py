"""What the browser is told: answers of the model server as they came, and errors in its manner."""

import json
import logging
from http import HTTPStatus

from flask import Response, request
from werkzeug.exceptions import HTTPException

from paddle_serving_client.errors import (
    BadInput,
    BadPacket,
    DeadlineExceeded,
    ErrNo,
    NoService,
    ServingError,
    TooLarge,
    Unreachable,
    UnsupportedMedia,
)
from web_page.guards import CrossSite
from web_page.model_server import Answer

logger = logging.getLogger(__name__)

_STATUS: dict[type[ServingError], tuple[HTTPStatus, str]] = {
    CrossSite: (HTTPStatus.FORBIDDEN, "cross_site"),
    TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"),
    UnsupportedMedia: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_an_image"),
    BadInput: (HTTPStatus.BAD_REQUEST, "bad_input"),
    NoService: (HTTPStatus.NOT_FOUND, "no_service"),
    Unreachable: (HTTPStatus.SERVICE_UNAVAILABLE, "server_down"),
    DeadlineExceeded: (HTTPStatus.GATEWAY_TIMEOUT, "too_slow"),
    BadPacket: (HTTPStatus.BAD_GATEWAY, "bad_answer"),
}
"""Status of an error and the word by which the page finds its own sentence for it; the first class that fits."""


def answer_for(error: Exception) -> Response:
    """What the browser is told, as the model server would say it, with `reason` for the page's own words."""
    if isinstance(error, ServingError):
        status, reason = next(
            (row for kind, row in _STATUS.items() if isinstance(error, kind)), (HTTPStatus.BAD_GATEWAY, "server_error")
        )
        err_no, message = error.err_no, str(error)
    elif isinstance(error, HTTPException) and error.code is not None:
        status, err_no = HTTPStatus(error.code), ErrNo.INPUT
        reason = "too_large" if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "bad_input"
        message = error.name
    else:
        logger.error("failed %s %s", request.method, request.path, exc_info=error)
        status, reason = HTTPStatus.INTERNAL_SERVER_ERROR, "page_error"
        err_no, message = ErrNo.UNKNOWN, "internal error"
    body = json.dumps({"err_no": int(err_no), "err_msg": message, "reason": reason}).encode()
    return response_of(Answer(status, body))


def response_of(answer: Answer) -> Response:
    """What the model server answered, for the browser."""
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    response.headers["Cache-Control"] = "no-store"
    if answer.server_timing:
        response.headers["Server-Timing"] = answer.server_timing
    return response
