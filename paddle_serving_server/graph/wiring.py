"""How the outputs of one model find the inputs of the next.

It is settled once, from the signatures: by name, where every input of the next model has the name or alias of an
output; else by position, where there are as many of both. Types and shapes have to fit.
"""

from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig


def wiring(giver: Signature, taker: Signature, where: str) -> tuple[int, ...]:
    """For each input of one model the index of the output of another that feeds it.

    Raises:
        BadConfig: it cannot be; names `where`, and both signatures.
    """
    by_name = {o.name: k for k, o in enumerate(giver.outputs)} | {o.alias: k for k, o in enumerate(giver.outputs)}
    found = [by_name.get(i.alias, by_name.get(i.name)) for i in taker.inputs]
    indices = [k for k in found if k is not None]
    if len(indices) != len(found):
        if indices or len(giver.outputs) != len(taker.inputs):
            raise BadConfig(f"{where}: outputs and inputs have other names, or are not as many; {_both(giver, taker)}")
        indices = list(range(len(found)))
    for taken, k in zip(taker.inputs, indices, strict=True):
        if not _fits(giver.outputs[k], taken):
            given = giver.outputs[k]
            raise BadConfig(
                f"{where}: output {given.alias!r} does not fit input {taken.alias!r}; {_both(giver, taker)}"
            )
    return tuple(indices)


def _fits(given: Output, taken: Input) -> bool:
    """Whether types are equal, and shapes where both are known.

    The shape of an output is what the config says: without the batch axis, and converters leave out what varies. So
    only a shape with all axes says anything; the rest is seen when a request runs.
    """
    types = {given.elem_type, taken.elem_type} - {dtype.UNKNOWN}
    if len(types) > 1:
        return False
    inner = taken.shape[1:]
    if given.is_lod or taken.is_lod or len(given.shape) != len(inner):
        return True
    return all(a == b or -1 in (a, b) for a, b in zip(given.shape, inner, strict=True))


def _both(giver: Signature, taker: Signature) -> str:
    outputs = ", ".join(f"{o.alias} {dtype.name_of(o.elem_type)}{list(o.shape)}" for o in giver.outputs)
    inputs = ", ".join(f"{i.alias} {dtype.name_of(i.elem_type)}{list(i.shape[1:])}" for i in taker.inputs)
    return f"the outputs are {outputs}; the inputs are {inputs}"
