"""What a server says of its services: `GET /services` -> what a caller has to know of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import json_text

PATH: Final = "/services"
IMAGE: Final = "image"
_CODES: Final = {row.name: row.code for row in dtype.ELEM_TYPES.values()}
_MAX_SERVICES: Final = 4096
_MAX_VARIABLES: Final = 1024


@dataclass(frozen=True, slots=True)
class Variable:
    """An input or output. Its text is type and shape: float32[-1, 13]."""

    alias: str
    kind: str
    """A name of the table of element types, `image` for a picture file, or empty where nothing is said."""
    shape: tuple[int, ...] = ()
    """With the batch axis; -1 is a dimension that may vary."""

    @property
    def elem_type(self) -> int:
        """See `dtype`."""
        return _CODES.get(self.kind, dtype.UNKNOWN)

    def __str__(self) -> str:
        return f"{self.kind}{list(self.shape)}" if self.shape else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One service."""

    name: str
    kind: str
    """`numbers`, `image`, `json`, `pipeline` or `torchserve`."""
    title: str = ""
    inputs: tuple[Variable, ...] = ()
    outputs: tuple[Variable, ...] = ()
    takes_tensors: bool = False
    """Whether what a caller sends goes to the model as it is: inputs and outputs are arrays of the types above."""
    example: Mapping[str, Any] | None = None
    """An instance that works."""

    @property
    def file_input(self) -> str:
        """The input that is a picture file; empty: there is none."""
        return next((given.alias for given in self.inputs if given.kind == IMAGE), "")

    @property
    def usage(self) -> str:
        """In one line how it is called: `uci(x: float32[-1, 13]) -> price: float32[1]`."""
        known = self.inputs if self.takes_tensors or self.file_input else ()
        takes = ", ".join(f"{given.alias}: {given}" for given in known) or "..."
        gives = ", ".join(f"{o.alias}: {o}" if o.kind else o.alias for o in self.outputs) or "..."
        return f"{self.name}({takes}) -> {gives}"


def parse(body: bytes | memoryview) -> dict[str, Description]:
    """The services of a server by name.

    Raises:
        BadPacket: it is not what a server says of its services.
    """
    try:
        parsed = json_text.loads(bytes(body))
        listed = _list(parsed["services"], _MAX_SERVICES)
        described = [_described(fields) for fields in listed]
    except (ValueError, TypeError, KeyError) as exc:
        raise BadPacket(f"{PATH} is not a list of services: {type(exc).__name__}: {exc}") from exc
    return {one.name: one for one in described}


def _described(fields: Mapping[str, Any]) -> Description:
    example = fields.get("example")
    return Description(
        name=_text(fields["name"]),
        kind=_text(fields.get("kind", "")),
        title=_text(fields.get("title", "")),
        inputs=_variables(fields.get("inputs", [])),
        outputs=_variables(fields.get("outputs", [])),
        takes_tensors=fields.get("takes_tensors") is True,
        example=example if isinstance(example, dict) else None,
    )


def _variables(listed: object) -> tuple[Variable, ...]:
    return tuple(
        Variable(
            _text(fields["name"]),
            _text(fields.get("dtype", "")),
            tuple(_whole(length) for length in _list(fields.get("shape", []), _MAX_VARIABLES)),
        )
        for fields in _list(listed, _MAX_VARIABLES)
    )


def _list(value: object, most: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise TypeError(f"a list of at most {most} was expected, got {type(value).__name__}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, got {type(value).__name__}")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"a whole number was expected, got {type(value).__name__}")
    return value
