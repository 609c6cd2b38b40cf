"""A/B tests over HTTP: who asks for a variant, and who is told which one answered."""

from typing import Final

from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http.message import HttpRequest

TAG: Final = "x-variant"
KEY: Final = "x-variant-key"


def wanted(request: HttpRequest) -> tuple[str, str]:
    """The variant that a request wants, and the key that settles it where it wants none; empty: none."""
    return request.headers.get(TAG, ""), request.headers.get(KEY, "")


def answered(call: Call) -> dict[str, str]:
    """Who answered."""
    return {"X-Variant": call.variant} if call.variant else {}
