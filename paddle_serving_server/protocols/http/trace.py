"""`POST /trace?seconds=N`: what all fronts see of their requests for N seconds, as a Chrome trace."""

import math

from paddle_serving_client.errors import BadInput, NoService
from paddle_serving_server.counting.recording import MAX_S
from paddle_serving_server.protocols.http import management
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue

PATH = "/trace"
_DEFAULT_S = 5.0


async def answer(catalogue: Catalogue, request: HttpRequest) -> HttpResponse:
    """Record, if the caller may ask; the answer comes at the end.

    Raises:
        BadInput: that many seconds cannot be recorded.
        Busy: somebody records already.
    """
    if (refused := management.refused(catalogue, request)) is not None:
        return refused
    if catalogue.record is None:
        raise NoService("this server does not record")
    said = request.query.get("seconds", [str(_DEFAULT_S)])[-1]
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MAX_S:
        raise BadInput(f"seconds must be a number above 0 and up to {MAX_S:g}, got {said[:32]!r}")
    return HttpResponse(200, await catalogue.record(seconds))
