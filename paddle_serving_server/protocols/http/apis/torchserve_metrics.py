"""`/metrics` of a server in TorchServe's place: its names beside those of any server; `?name[]=` for some of them."""

import functools
from typing import Final

from paddle_serving_server.config.listening import Role
from paddle_serving_server.dataplane import torchserve_about, torchserve_counts, torchserve_models
from paddle_serving_server.protocols.http import torchserve_words as words
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Names, Route
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.showing import metrics
from paddle_serving_server.showing import torchserve_metrics as own
from paddle_serving_server.showing.machine_load import MachineWatch

_FILTER: Final = "name[]"


async def _metrics(exchange: Exchange) -> HttpResponse:
    catalogue, request = exchange.catalogue, exchange.request
    names = request.query.get(_FILTER, []) if request.query_string else []
    counted = catalogue.meter.read()
    store = torchserve_models.rules_of(catalogue).store
    text = own.exposition(
        own.families(counted, _machine().look(), torchserve_about.load_ms(catalogue), store), names
    ).encode()
    if not names:
        text += metrics.exposition(metrics.Collector(counted, {}, catalogue.is_ready))
    return HttpResponse(200, text, metrics.CONTENT_TYPE, words.request_id())


@functools.cache
def _machine() -> MachineWatch:
    return MachineWatch()


def _has_metrics(catalogue: Catalogue, names: Names) -> bool:
    return catalogue.config.torchserve is not None and catalogue.config.enable_prometheus


def answered(catalogue: Catalogue, status: int) -> None:
    """See the package."""
    if catalogue.config.torchserve is not None:
        torchserve_counts.status(catalogue, status)


API = "torchserve"
refusal = words.refusal
ROUTES = (
    Route(
        method="GET",
        template="/metrics",
        answer=_metrics,
        about="counts, for Prometheus",
        role=Role.METRICS,
        exists=_has_metrics,
        describe=words.operation("metrics", _FILTER),
    ),
)
