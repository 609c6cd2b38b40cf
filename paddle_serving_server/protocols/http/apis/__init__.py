"""The HTTP APIs there are: one module each, found by being here.

A module says `API`, the family of callers that it is for, `ROUTES`, its paths, and `refusal`, which gives an error as
its callers expect it: from the `ServingError` and the call, whose `service` is empty where the call had not come to
one. More is optional: `not_allowed` says that a path has other methods, which it is given; `not_found` says that nobody
has a path, from the catalogue and the paths there are, or gives None if that is not for this API to say; `forbidden`
answers who may not manage the server, from a `managing.Refusal`; `is_open` says, from the config of the server, whether
everybody may who may ask for anything; `answered` hears the catalogue and the status of every answer, whoever gave it.
A module with a `PREFIX`, below which all paths are its own, says `unanswered` instead of `not_allowed` and `not_found`:
what a request gets that no route answers, from the request and the methods that its path has.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from paddle_serving_client import plugins
from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Route


class Api(Protocol):
    """A module of this folder."""

    API: str
    ROUTES: Sequence[Route]

    def refusal(self, error: ServingError, call: Call) -> HttpResponse: ...


def is_open(api: Api, config: ServerConfig) -> bool:
    """Whether changes of the server are answered to everybody who may ask for anything."""
    found: Callable[[ServerConfig], bool] | None = getattr(api, "is_open", None)
    return found is not None and found(config)


def every() -> list[Api]:
    """All APIs."""
    here = sys.modules[__name__]
    return [cast(Api, plugins.load(here, name)) for name in plugins.names(here)]
