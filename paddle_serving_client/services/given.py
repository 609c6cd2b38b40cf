"""What a caller of a service may write: one instance by names, one as a dict, or a list of them."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Instance

Given: TypeAlias = Mapping[str, object] | Sequence[Instance]
"""One instance, or several."""


def given_by(instances: Given | None, inputs: Mapping[str, object]) -> Given:
    """What a caller wants to send: one instance by keywords, one as a dict, or a list of them.

    Raises:
        BadInput: both, or neither.
    """
    if instances is None:
        return inputs
    if inputs:
        raise BadInput(f"a service is called with instances or with inputs by name, not with both: {', '.join(inputs)}")
    is_list = isinstance(instances, list | tuple) and all(isinstance(one, Mapping) for one in instances)
    if not (isinstance(instances, Mapping) or (is_list and instances)):
        raise BadInput(
            f"instances are a dict, or a list of at least one dict, got {type(instances).__name__}; inputs go by name, "
            "as in client.uci(x=[...])"
        )
    return instances


def fetched(fetch: str | Sequence[str]) -> tuple[str, ...]:
    """The outputs that are named. Raises BadInput."""
    names = (fetch,) if isinstance(fetch, str) else tuple(fetch)
    if not all(isinstance(name, str) and name for name in names):
        raise BadInput(f"fetch is the name of an output, or a list of names, got {fetch!r:.128}")
    return names


def listed(given: Given) -> Sequence[Instance]:
    """The instances, though there be but one."""
    return [given] if isinstance(given, Mapping) else given
