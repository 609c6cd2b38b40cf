"""Which input of a graph is which: told by its shape and name, never by the name of the model."""

from collections.abc import Mapping

import numpy as np

from paddle_serving_app.signature import Input, Signature
from paddle_serving_client.errors import BackendFailed, BadConfig
from paddle_serving_client.message import Array, describe

SIZES = ("im_shape", "scale_factor")
_MANY = {1: ("image",), 2: ("image", "scale_factor"), 3: ("im_shape", "image", "scale_factor")}
"""What a detector takes, sorted by the names that the toolkits give its inputs."""


def picture_input(signature: Signature, where: str) -> Input:
    """The one input of a model that takes a picture and nothing else.

    Raises:
        BadConfig: it has others.
    """
    if len(signature.inputs) != 1 or len(signature.inputs[0].shape) != 4:
        came = ", ".join(f"{i.alias!r} {i}" for i in signature.inputs)
        raise BadConfig(f"{where}: the model is to take one picture [N, 3, H, W], but it takes {came}")
    return signature.inputs[0]


def detector_inputs(signature: Signature, where: str) -> Mapping[str, str]:
    """The alias of each input of a detector, by what it is: image, im_shape, scale_factor.

    The picture is the one with four axes. Two others are known by their names; where these say nothing, inputs are
    taken in the order of their names, as those who export them sort them.

    Raises:
        BadConfig: it has other inputs.
    """
    pictures = [i for i in signature.inputs if len(i.shape) == 4]
    others = [i for i in signature.inputs if len(i.shape) != 4]
    named = {what: i.alias for i in others for what in SIZES if what in (i.name, i.alias)}
    if len(pictures) == 1 and len(named) == len(others) <= len(SIZES):
        return {"image": pictures[0].alias, **named}
    in_order = sorted(signature.inputs, key=lambda i: i.name)
    meant = dict(zip(_MANY.get(len(in_order), ()), in_order, strict=False))
    if len(pictures) == 1 and meant and meant["image"] is pictures[0] and all(len(i.shape) == 2 for i in others):
        return {what: i.alias for what, i in meant.items()}
    came = ", ".join(f"{i.alias!r} {i}" for i in signature.inputs)
    raise BadConfig(f"{where}: a detector takes a picture, im_shape and scale_factor; this model takes {came}")


def only_output(outputs: Mapping[str, Array], axes: int, what: str) -> Array:
    """The first output, which has so many axes.

    Raises:
        BackendFailed: it has others: the file is another model's.
    """
    first = np.asarray(next(iter(outputs.values())))
    if first.ndim != axes or first.dtype.kind not in "fiu" or first.shape[0] != 1:
        raise BackendFailed(f"{what} is an output of {axes} axes for one picture, the model gave {describe(first)}")
    return first
