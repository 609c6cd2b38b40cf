"""Messages of GeneralModelService as JSON, in brpc's mapping of protobuf: text <-> values.

In: keys that are not known are skipped, null is absent, integers may be text, floats may be "NaN", "Infinity" and
"-Infinity", bytes are base64. Out: the original names, what is at its default is left out, 64-bit integers are numbers,
float32 is written with the digits of a double.
"""

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import json_body, json_fields, json_numbers, json_size, json_text
from paddle_serving_client.wire.general_model_json_tensors import decode_tensors, integers, tensor_object
from paddle_serving_client.wire.json_fields import MAX_VALUES, Object
from paddle_serving_client.wire.tensors import (
    MAX_FETCH,
    MAX_OUTPUTS,
    MAX_PROFILE_TIMES,
    ModelOutput,
    WireRequest,
    WireResponse,
    refuse_over,
    row_of,
)

__all__ = [
    "MAX_CONTAINERS",
    "MAX_VALUES",
    "request_from_json",
    "request_to_json",
    "response_from_json",
    "response_to_json",
]

MAX_CONTAINERS = 1 << 20
"""Arrays and objects in an answer: each takes twenty times the memory that its brackets take in the text."""


def request_from_json(body: bytes | bytearray | memoryview) -> WireRequest:
    """Read a JSON `Request`; no text at all is an empty one.

    Raises:
        BadPacket: not JSON, or a field of a wrong kind; the text names it.
        BadInput: a tensor that cannot be; the text names the tensor and the field.
        BadDType: a tensor of a type that is not known or cannot be served.
        TooLarge: over a limit.
    """
    got = json_fields.as_object(json_body.loads(body) if body else {}, "the JSON body")
    fetch = json_fields.array(got, "fetch_var_names", MAX_FETCH)
    return WireRequest(
        tensors=decode_tensors(got),
        fetch=tuple(json_fields.text(name, "fetch_var_names") for name in fetch),
        profile_server=json_fields.flag(got, "profile_server"),
        log_id=json_fields.number(got, "log_id", 0, (1 << 64) - 1),
    )


def request_to_json(request: WireRequest) -> bytes:
    """Write a JSON `Request` with the keys that the client of 0.9 sends.

    Raises:
        BadDType: an array of a type that has no code.
        BadInput: a string that is not UTF-8.
    """
    tensors = [tensor_object(tensor) | {"elem_type": row_of(tensor).code} for tensor in request.tensors]
    whole = {"fetch_var_names": request.fetch, "log_id": request.log_id, "tensor": tensors}
    return _dumps(whole | json_fields.filled(profile_server=request.profile_server))


def response_from_json(body: bytes | memoryview) -> WireResponse:
    """Read a JSON `Response`. Raises as `request_from_json` does."""
    got = _reply(body)
    times = json_fields.array(got, "profile_time", MAX_PROFILE_TIMES)
    return WireResponse(
        outputs=tuple(
            _output(json_fields.as_object(item, "outputs")) for item in json_fields.array(got, "outputs", MAX_OUTPUTS)
        ),
        profile_time=tuple(integers("response", "profile_time", times).tolist()),
        profile_server=json_fields.flag(got, "profile_server"),
        log_id=json_fields.number(got, "log_id", 0, (1 << 64) - 1),
        err_no=json_fields.number(got, "err_no", -(1 << 31), (1 << 31) - 1),
        err_msg=json_fields.text(got.get("err_msg") or "", "err_msg"),
    )


def response_to_json(response: WireResponse) -> bytes:
    """Write a JSON `Response`. Raises as `request_to_json` does."""
    outputs = [
        json_fields.filled(tensor=list(map(tensor_object, output.tensors)), engine_name=output.engine_name)
        for output in response.outputs
    ]
    return _dumps(
        json_fields.filled(
            outputs=outputs,
            profile_time=response.profile_time,
            profile_server=response.profile_server,
            log_id=response.log_id,
            err_no=response.err_no,
            err_msg=response.err_msg,
        )
    )


def _reply(body: bytes | memoryview) -> Object:
    """The object that a server sent, after a look at how much there is in it."""
    if not body:
        return {}
    refuse_over("values in the JSON body", json_size.count(body, b","), MAX_VALUES)
    containers = json_size.count(body, b"[") + json_size.count(body, b"{")
    refuse_over("arrays and objects in the JSON body", containers, MAX_CONTAINERS)
    try:
        got = json_numbers.loads(body)
    except ValueError as exc:
        raise BadPacket(f"the body is not JSON: {exc}") from exc
    return json_fields.as_object(got, "the JSON body")


def _output(got: Object) -> ModelOutput:
    return ModelOutput(
        tensors=decode_tensors(got), engine_name=json_fields.text(got.get("engine_name") or "", "engine_name")
    )


def _dumps(whole: dict[str, object]) -> bytes:
    return json_text.dumps(whole)
