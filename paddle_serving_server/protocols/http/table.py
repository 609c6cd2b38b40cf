"""Which routes a path has: literal paths first, then templates, those with more literal parts before others.

A part of a template is literal, a name, `{name}`, or a name with something behind it, `{name}:predict`. That something
has to be in the path as it is: a colon that came as %3A belongs to the name.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from paddle_serving_server.config.listening import Listening
from paddle_serving_server.protocols.http.apis import Api
from paddle_serving_server.protocols.http.route import Names, Route
from paddle_serving_server.services.catalogue import Catalogue

_MOST_LISTED = 64
EVERYTHING: Final = Listening()


class Found(NamedTuple):
    """A route that fits a path."""

    api: Api
    route: Route
    names: Names


class Table:
    """The routes of some APIs."""

    def __init__(self, apis: Iterable[Api], at: Listening = EVERYTHING) -> None:
        """The routes that are answered at an address."""
        self._rows = [
            (api, route, _parts(route.template)) for api in apis for route in api.ROUTES if at.has(api.API, route.role)
        ]
        self._rows.sort(key=lambda row: [_openness(part) for part in row[2]])
        self._prefixes = {prefix: api for api, _, _ in self._rows if (prefix := _prefix(api))}
        self._literal: dict[str, list[Found]] = {}
        self._templates: dict[tuple[int, str], list[tuple[Api, Route, Sequence[str]]]] = {}
        """By the number of parts and the first one, which is empty for a name."""
        for api, route, parts in self._rows:
            if any(map(_is_name, parts)):
                first = "" if _is_name(parts[0]) else parts[0]
                self._templates.setdefault((len(parts), first), []).append((api, route, parts))
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
        for first in (parts[0], ""):
            for api, route, template in self._templates.get((len(parts), first), ()):
                if (names := _names(template, parts)) is not None:
                    fitting.append(Found(api, route, names))
        return [found for found in fitting if found.route.exists(catalogue, found.names)]

    def owner(self, path: str) -> Api | None:
        """The API whose path this is, whether it is there or not."""
        return next((api for prefix, api in self._prefixes.items() if f"{path}/".startswith(f"{prefix}/")), None)

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
                if route.is_listed and route.exists(catalogue, of)
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


def _openness(part: str) -> int:
    """0 for what is literal, 1 for a name with something behind it, 2 for a name."""
    return 0 if not _is_name(part) else 2 if part.endswith("}") else 1


def _names(template: Sequence[str], parts: Sequence[str]) -> Names | None:
    """What stands in the place of the names of a template; None if it does not fit."""
    found = {}
    for said, part in zip(template, parts, strict=True):
        if _is_name(said):
            name, _, behind = said[1:].partition("}")
            if not part.endswith(behind) or len(part) == len(behind):
                return None
            value = part.removesuffix(behind)
            found[name] = unquote(value) if "%" in value else value
        elif said != part:
            return None
    return found
