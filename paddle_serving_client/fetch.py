"""What callers of `predict` get: which outputs they want, and a response as arrays by alias."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.message import Array, describe
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.tensors import ModelOutput, WireResponse, row_of

logger = logging.getLogger(__name__)


def failed(names: Sequence[str], reason: str) -> ValueError:
    """The error of a reply that lacks an output, or has it in another type than the config says."""
    text = f"Failed to fetch, maybe the type of [{', '.join(names)}] is wrong, please check the model file"
    return ValueError(f"{text}: {reason}")


def known(fetch: str | Sequence[str] | None, names: Sequence[str]) -> tuple[str, ...]:
    """The outputs that were asked for and exist, each once; none means all."""
    asked = [fetch] if isinstance(fetch, str) else fetch or ()
    return tuple(dict.fromkeys(name for name in asked if name in names))


def arrays(response: WireResponse, wanted: Sequence[str], fetches: Sequence[Variable]) -> dict[str, Any]:
    """The outputs by alias, `NAME.lod` beside sequences; of several engines by engine name.

    Args:
        response: what the server answered.
        wanted: aliases; none means all, in the order of the reply.
        fetches: the outputs of the model.

    Raises:
        ValueError: one that was asked for did not come, or came in another type.
    """
    if response.err_no:
        logger.warning("the reply says err_no=%d: %s", response.err_no, response.err_msg)
    if not response.outputs:
        return {}
    by_alias = {var.alias: var for var in fetches}
    if len(response.outputs) == 1:
        return _of_engine(response.outputs[0], wanted, by_alias)
    return {output.engine_name: _of_engine(output, wanted, by_alias) for output in response.outputs}


def _of_engine(output: ModelOutput, wanted: Sequence[str], fetches: dict[str, Variable]) -> dict[str, Array]:
    came = {tensor.alias or tensor.name: tensor for tensor in output.tensors}
    arrays: dict[str, Array] = {}
    for name in wanted or came:
        if name not in came:
            raise failed([name], f"the reply has {', '.join(came) or 'no outputs'}")
        tensor, var = came[name], fetches.get(name)
        expected = dtype.ELEM_TYPES.get(var.elem_type) if var else None
        if expected and expected.carrier != row_of(tensor).carrier:
            raise failed([name], f"{expected.name} expected, {describe(tensor.array)} came")
        arrays[name] = tensor.array.copy()
        if tensor.lod and var and var.is_lod:
            arrays[f"{name}.lod"] = np.concatenate(tensor.lod).astype(np.int32)
    return arrays
