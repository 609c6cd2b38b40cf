"""The addresses of a server, and what is answered at each: `--listen ADDRESS[=API,...[:ROLE,...]]`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from paddle_serving_client.errors import BadConfig

_ADDRESS: Final = r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]=]*)):(?P<port>\d+)"
_FORM: Final = re.compile(_ADDRESS + r"(?:=(?P<apis>[^:=]*)(?::(?P<roles>[^:=]*))?)?")
SERVER: Final = "server"
"""The API of what a server says of itself, whoever its callers are."""


class Role(StrEnum):
    """What callers may want of an address."""

    INFERENCE = "inference"
    METRICS = "metrics"
    MANAGEMENT = "management"
    """Changes the server, or shows what is not for everybody; answered to `--manage_from` only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """One address."""

    host: str = ""
    port: int = 0
    apis: tuple[str, ...] = ()
    """The families of callers that are answered there; empty: all."""
    roles: tuple[str, ...] = ()
    """What they may ask for; empty: everything."""

    def has(self, api: str, role: Role = Role.INFERENCE) -> bool:
        """Whether something is answered there; what belongs to no family of callers is, where its role is."""
        return (not self.apis or api in self.apis or api == SERVER) and (not self.roles or role in self.roles)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        said = f"={','.join(self.apis)}" if self.apis or self.roles else ""
        return f"{host}:{self.port}{said}{':' if self.roles else ''}{','.join(self.roles)}"

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Listening":
        """The opposite of `dataclasses.asdict`."""
        return cls(**{**said, "apis": tuple(said["apis"]), "roles": tuple(said["roles"])})


def parse(text: str) -> Listening:
    """The value of a flag; an address without a host is one of every network.

    Raises:
        BadConfig: it is not of that form, or names a role that there is not.
    """
    found = _FORM.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        form = "ADDRESS:PORT[=API,...[:ROLE,...]], as 127.0.0.1:8002=:metrics"
        raise BadConfig(f"--listen is {form}; got {text!r}")
    apis, roles = (tuple(filter(None, (found[part] or "").split(","))) for part in ("apis", "roles"))
    if unknown := [role for role in roles if role not in list(Role)]:
        raise BadConfig(f"--listen {text}: there is no role {unknown[0]!r}; there are {', '.join(Role)}")
    return Listening(host=found["six"] or found["host"] or "0.0.0.0", port=int(found["port"]), apis=apis, roles=roles)
