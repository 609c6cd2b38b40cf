"""The ops of a pipeline in order, from the request to one last op. Whether they make a circle, `Graph` says."""

from collections.abc import Mapping
from dataclasses import dataclass

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.graph.pipeline.op import REQUEST_NAME, Op, RequestOp, ResponseOp


@dataclass(frozen=True, slots=True)
class OrderedOps:
    """Ops in an order in which each stands behind those in front of it."""

    request: RequestOp
    steps: tuple[Op, ...]
    last: Op
    response: ResponseOp
    behind: Mapping[str, tuple[Op, ...]]
    """By the name of an op: those that take its result."""


def ordered(response: ResponseOp) -> OrderedOps:
    """The ops that lead to a ResponseOp.

    Raises:
        BadConfig: not one last op, no RequestOp or two, one name twice, an op without an op in front, or one
            with several that has no `preprocess`.
    """
    if len(response.input_ops) != 1:
        raise BadConfig(f"a ResponseOp has exactly one op in front of it, got {len(response.input_ops)}")
    (last,) = response.input_ops
    ops = _in_order(last)
    requests = [op for op in ops if isinstance(op, RequestOp)]
    if len(requests) != 1:
        raise BadConfig(f"a pipeline begins with exactly one RequestOp, this one has {len(requests)}")
    (request,) = requests
    steps = tuple(op for op in ops if op is not request)
    if not steps:
        raise BadConfig("a pipeline needs at least one op between the request and the response")
    names = [op.name for op in steps]
    for op in steps:
        _check(op, names)
        for target in op.jump_to_ops:
            if target not in steps or steps.index(target) <= steps.index(op):
                raise BadConfig(f"op {op.name!r} jumps to {target.name!r}, which is not behind it")
    behind = {op.name: tuple(o for o in steps if op in o.input_ops) for op in steps}
    return OrderedOps(request, steps, last, response, behind)


def _in_order(last: Op) -> list[Op]:
    """All ops that lead to one, each behind those in front of it; in a circle, as far as that can be."""
    order: list[Op] = []
    seen: list[Op] = []

    def visit(op: Op) -> None:
        if op in seen:
            return
        seen.append(op)
        for before in op.input_ops:
            visit(before)
        order.append(op)

    visit(last)
    return order


def _check(op: Op, names: list[str]) -> None:
    if isinstance(op, ResponseOp):
        raise BadConfig("a ResponseOp cannot be in front of another op")
    if names.count(op.name) > 1 or op.name == REQUEST_NAME:
        raise BadConfig(f"two ops are named {op.name!r}; each needs a name of its own")
    if not op.input_ops:
        raise BadConfig(f"op {op.name!r} has no op in front of it; the first one has the RequestOp")
    if len(set(map(id, op.input_ops))) < len(op.input_ops):
        raise BadConfig(f"op {op.name!r} names an op in front of it twice")
    if len(op.input_ops) > 1 and type(op).preprocess is Op.preprocess:
        raise BadConfig(f"op {op.name!r} has {len(op.input_ops)} ops in front of it: it needs a preprocess of its own")
