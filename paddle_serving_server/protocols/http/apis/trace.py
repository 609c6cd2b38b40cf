"""`POST /trace?seconds=N`: what all fronts see of their requests for N seconds, as a Chrome trace."""

import asyncio
import math

from paddle_serving_client.errors import BadInput
from paddle_serving_server.config.listening import SERVER, Role
from paddle_serving_server.counting.recording import MAX_S
from paddle_serving_server.protocols.http import encoding
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Route
from paddle_serving_server.showing import chrome_trace

_DEFAULT_S = 5.0


async def _answer(exchange: Exchange) -> HttpResponse:
    """Record; the answer comes at the end."""
    said = exchange.request.query.get("seconds", [str(_DEFAULT_S)])[-1]
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MAX_S:
        raise BadInput(f"seconds must be a number above 0 and up to {MAX_S:g}, got {said[:32]!r}")
    fronts = exchange.catalogue.fronts
    async with fronts.recorded(seconds) as folder:
        trace = await asyncio.to_thread(chrome_trace.from_files, folder, seconds, fronts.count)
    return await encoding.compressed(exchange.request, HttpResponse(200, trace))


API = SERVER
refusal = usual
ROUTES = (
    Route(
        method="POST",
        template="/trace",
        answer=_answer,
        about="record requests for ?seconds=N, as a Chrome trace",
        role=Role.MANAGEMENT,
    ),
)
