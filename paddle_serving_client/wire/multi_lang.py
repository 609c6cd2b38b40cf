"""MultiLangGeneralModelService, the gRPC service of Paddle Serving 0.6 and older: bytes <-> values.

    Inference        {1 insts, 2 feed_var_names, 3 fetch_var_names, 4 is_python, 5 log_id}
                     -> {1 outputs {1 insts, 2 engine_name}, 2 tag, 3 err_code}
    SetTimeout       {1 timeout_ms} -> {1 err_code}
    GetClientConfig  {} -> {1 client_config_str}

Python clients send and expect values as the bytes of an array, others as numbers.

Messages: `proto/multi_lang.proto`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.wire import old_tensors, protobuf
from paddle_serving_client.wire.old_tensors import Input, Instance
from paddle_serving_client.wire.protobuf import BYTES, VARINT, MessageType, Part, bytes_field
from paddle_serving_client.wire.tensors import WireRequest, WireResponse

SERVICE = "baidu.paddle_serving.multi_lang.MultiLangGeneralModelService"
TAG = "default"
"""The variant that answered, where there is only one."""

_REQUEST = MessageType(
    insts=(1, BYTES),
    feed_var_names=(2, BYTES),
    fetch_var_names=(3, BYTES),
    is_python=(4, VARINT),
    log_id=(5, VARINT),
)
_TIMEOUT = MessageType(timeout_ms=(1, VARINT))


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLangRequest:
    """The message `InferenceRequest`."""

    instances: tuple[Instance, ...]
    feed_names: tuple[str, ...]
    """Aliases, in the order of the tensors of each instance."""
    fetch: tuple[str, ...] = ()
    is_python: bool = False
    log_id: int = 0

    def as_wire(self, inputs: Sequence[Input]) -> WireRequest:
        """The same request as it is sent today.

        Args:
            inputs: of the model.

        Raises:
            BadInput: a name that the model does not have, or tensors that are not for these inputs.
        """
        known = {i.name: i for i in inputs} | {i.alias: i for i in inputs}
        for name in self.feed_names:
            if name not in known:
                takes = ", ".join(repr(i.alias) for i in inputs)
                raise BadInput(f"unknown input {name[:64]!r}; this model takes {takes}")
        named = [known[name] for name in self.feed_names]
        tensors = old_tensors.joined(self.instances, named, is_raw=self.is_python)
        return WireRequest(tensors=tensors, fetch=self.fetch, log_id=self.log_id)


def decode_request(payload: bytes | memoryview) -> MultiLangRequest:
    """Read an `InferenceRequest`.

    Raises:
        BadPacket: not such a message. BadInput: nothing in it. TooLarge: over a limit.
    """
    got = _REQUEST.read(memoryview(payload).toreadonly())
    instances = old_tensors.decode_instances(got.get("insts", ()))
    if not instances:
        raise BadInput("the request has no insts")
    return MultiLangRequest(
        instances=instances,
        feed_names=old_tensors.names(got, "feed_var_names"),
        fetch=old_tensors.names(got, "fetch_var_names"),
        is_python=protobuf.last_number(got, "is_python") != 0,
        log_id=protobuf.last_number(got, "log_id"),
    )


def encode_response(response: WireResponse, request: MultiLangRequest, tag: str = TAG) -> bytes:
    """Write an `InferenceResponse`: outputs in the order asked for, values in the form the caller used.

    Raises:
        BadInput: an output was asked for that is not there. BadDType: an output cannot be said in this form.
    """
    parts: list[Part] = []
    for output in response.outputs:
        picked = old_tensors.picked(output, request.fetch)
        parts += bytes_field(1, *old_tensors.encode_output(picked, request.is_python))
    return b"".join([*parts, *bytes_field(2, tag.encode()), protobuf.number_field(3, 0)])


def decode_timeout_ms(payload: bytes | memoryview) -> int:
    """Read a `SetTimeoutRequest`.

    Raises:
        BadPacket: not such a message. BadInput: no positive number of milliseconds.
    """
    got = _TIMEOUT.read(memoryview(payload))
    if "timeout_ms" not in got:
        raise BadPacket("SetTimeoutRequest has no timeout_ms")
    timeout_ms = protobuf.signed(protobuf.last_number(got, "timeout_ms"))
    if timeout_ms <= 0:
        raise BadInput(f"timeout_ms must be more than 0, got {timeout_ms}")
    return timeout_ms


def encode_simple_response(err_code: int = 0) -> bytes:
    """Write a `SimpleResponse`."""
    return protobuf.number_field(1, err_code)


def encode_client_config(text: str) -> bytes:
    """Write a `GetClientConfigResponse`: the text of a serving_client_conf.prototxt."""
    return b"".join(bytes_field(1, text.encode()))
