"""Inference calls of KServe v2 over HTTP as a client makes them: every tensor as its bytes, behind a little JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_text, kserve
from paddle_serving_client.wire.kserve import MAX_OUTPUTS
from paddle_serving_client.wire.kserve_json import HEADER_LENGTH
from paddle_serving_client.wire.tensors import refuse_over


def encode_request(tensors: Mapping[str, Array], outputs: Sequence[str]) -> tuple[list[bytes | memoryview], int]:
    """A request, as the parts of its body, and the length of the JSON that is the first of them.

    Args:
        tensors: by the name of the input.
        outputs: that are wanted; none means all.

    Raises:
        BadInput: an array of a type that this protocol does not have.
    """
    parts: list[bytes | memoryview] = []
    inputs = []
    for name, array in tensors.items():
        parts.append(kserve.pack(array))
        told = {"name": name, "datatype": kserve.datatype_of_array(array), "shape": list(array.shape)}
        inputs.append({**told, "parameters": {"binary_data_size": len(parts[-1])}})
    whole: dict[str, object] = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    if outputs:
        whole["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    text = json_text.dumps(whole)
    return [text, *parts], len(text)


def decode_response(body: bytes | memoryview, headers: Mapping[str, str]) -> dict[str, Array]:
    """The outputs of an answer by name: read-only views of its body, strings as arrays of bytes.

    Args:
        body: without Content-Encoding.
        headers: by name in lower case.

    Raises:
        BadPacket: it is not such an answer, or has a tensor that is not in bytes. TooLarge: over a limit.
    """
    view = memoryview(body).toreadonly()
    text = headers.get(HEADER_LENGTH, "")
    length = int(text) if text.isdecimal() and len(text) < 12 else len(view)
    try:
        outputs = json_text.loads(view[:length])["outputs"]
        refuse_over("outputs", len(outputs), MAX_OUTPUTS)
        found, behind = {}, view[length:]
        for output in outputs:
            size = output["parameters"]["binary_data_size"]
            found[str(output["name"])] = _tensor(output, behind[:size])
            behind = behind[size:]
    except (BadInput, ValueError, TypeError, KeyError) as exc:
        raise BadPacket(f"the answer is none of KServe v2 with tensors in bytes: {exc or type(exc).__name__}") from exc
    if behind:
        raise BadPacket(f"{len(behind)} bytes are left behind the tensors of the answer")
    return found


def _tensor(output: Mapping[str, Any], data: memoryview) -> Array:
    shape = output["shape"]
    if not isinstance(shape, list) or not all(type(axis) is int for axis in shape):
        raise TypeError("a shape is a list of whole numbers")
    return kserve.unpack(output["name"], output["datatype"], shape, data, "")
