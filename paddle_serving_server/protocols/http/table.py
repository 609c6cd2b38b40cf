"""Which routes a path has: literal paths first, then templates, those with more literal parts before others."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from paddle_serving_server.protocols.http.apis import Api
from paddle_serving_server.protocols.http.route import Names, Route
from paddle_serving_server.services.catalogue import Catalogue

_MOST_LISTED = 64


class Found(NamedTuple):
    """A route that fits a path."""

    api: Api
    route: Route
    names: Names


class Table:
    """The routes of some APIs."""

    def __init__(self, apis: Iterable[Api]) -> None:
        apis = list(apis)
        self._prefixes = [(prefix, api) for api in apis if (prefix := _prefix(api))]
        self._rows = [(api, route, _parts(route.template)) for api in apis for route in api.ROUTES]
        self._rows.sort(key=lambda row: [_is_name(part) for part in row[2]])
        self._literal: dict[str, list[Found]] = {}
        self._templates: dict[int, list[tuple[Api, Route, Sequence[str]]]] = {}
        for api, route, parts in self._rows:
            if any(map(_is_name, parts)):
                self._templates.setdefault(len(parts), []).append((api, route, parts))
            else:
                self._literal.setdefault("/".join(parts), []).append(Found(api, route, {}))

    @property
    def routes(self) -> list[tuple[Api, Route]]:
        """All of them."""
        return [(api, route) for api, route, _ in self._rows]

    def find(self, path: str, catalogue: Catalogue) -> list[Found]:
        """The routes that fit a path, the most literal first; none: there is no such path."""
        stripped = path.strip("/")
        fitting = list(self._literal.get(stripped, ()))
        parts = stripped.split("/")
        for api, route, template in self._templates.get(len(parts), ()):
            names = _names(template, parts)
            if names is not None:
                fitting.append(Found(api, route, names))
        return [found for found in fitting if found.route.exists(catalogue, found.names)]

    def owner(self, path: str) -> Api | None:
        """The API whose path this is, whether it is there or not."""
        return next((api for prefix, api in self._prefixes if f"{path}/".startswith(f"{prefix}/")), None)

    def paths(self, catalogue: Catalogue) -> list[str]:
        """What there is, for people who look for something else: GET /health, POST /uci/prediction, ...

        An API that has a prefix tells its own callers what there is.
        """
        found = []
        for api, route, _ in self._rows:
            if _prefix(api):
                continue
            names = [{"name": name} for name in catalogue.names] if "{name}" in route.template else [{}]
            found += [
                f"{route.method} {route.template.replace('{name}', of.get('name', ''))}"
                for of in names
                if route.exists(catalogue, of)
            ]
        if len(found) > _MOST_LISTED:
            return [*found[:_MOST_LISTED], f"and {len(found) - _MOST_LISTED} more"]
        return found


def _prefix(api: Api) -> str:
    return str(getattr(api, "PREFIX", ""))


def _parts(template: str) -> list[str]:
    return template.strip("/").split("/")


def _is_name(part: str) -> bool:
    return part.startswith("{")


def _names(template: Sequence[str], parts: Sequence[str]) -> Names | None:
    """What stands in the place of the names of a template; None if it does not fit."""
    found = {}
    for said, part in zip(template, parts, strict=True):
        if _is_name(said):
            found[said[1:-1]] = unquote(part)
        elif said != part:
            return None
    return found
