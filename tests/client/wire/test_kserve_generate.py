"""One JSON object as a request of KServe v2, and an answer as one: what is an input, and of which shape."""

from typing import Any

import numpy as np
import pytest

from paddle_serving_client.errors import BadInput, BadPacket, ServingError, TooLarge
from paddle_serving_client.wire import kserve_generate
from paddle_serving_client.wire.kserve import InferOutput, InferResponse
from paddle_serving_client.wire.kserve_about import TensorAbout

INPUTS = (
    TensorAbout("text", "BYTES", (-1, 1)),
    TensorAbout("ids", "INT64", (-1, -1)),
    TensorAbout("box", "FP32", (-1, 2, 2)),
    TensorAbout("free", "FP32", (-1, -1, -1)),
)


def tensors(said: bytes, has_rows: bool = True) -> dict[str, Any]:
    request = kserve_generate.request_of(kserve_generate.loads(said), INPUTS, has_rows)
    return {given.name: given.array.tolist() for given in request.inputs}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b'{"text": "hi"}', {"text": [[b"hi"]]}),
        (b'{"text": ["hi"]}', {"text": [[b"hi"]]}),
        (b'{"ids": 7}', {"ids": [[7]]}),
        (b'{"ids": [1, 2, 3]}', {"ids": [[1, 2, 3]]}),
        (b'{"box": [1, 2, 3, 4]}', {"box": [[[1, 2], [3, 4]]]}),
        (b'{"box": [[1, 2], [3, 4]]}', {"box": [[[1, 2], [3, 4]]]}),
        (b'{"free": 1}', {"free": [[[1]]]}),
        (b'{"parameters": {"ids": [4, 5]}}', {"ids": [[4, 5]]}),
        ('{"text": "помогите"}'.encode(), {"text": [["помогите".encode()]]}),
    ],
)
def test_a_value_is_one_row_of_its_input(said: bytes, expected: dict[str, Any]) -> None:
    assert tensors(said) == expected


def test_without_a_batch_axis_the_shape_is_the_whole() -> None:
    inputs = (TensorAbout("text", "BYTES", (1,)), TensorAbout("ids", "INT32", (-1,)))
    got = kserve_generate.loads(b'{"text": "a", "ids": [1, 2]}')
    found = kserve_generate.request_of(got, inputs, has_rows=False).inputs
    assert [given.array.shape for given in found] == [(1,), (2,)]


def test_what_is_no_input_is_a_parameter() -> None:
    said = b'{"id": "7", "text": "a", "stream": false, "parameters": {"top_k": 3, "temperature": 0.5, "stop": "x"}}'
    request = kserve_generate.request_of(kserve_generate.loads(said), INPUTS, True)
    assert (request.id, request.parameters) == ("7", {"stream": False, "top_k": 3, "temperature": 0.5, "stop": "x"})


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        (b"[]", BadPacket, "JSON non-object as object"),
        (b"{", BadPacket, "failed to parse the request JSON buffer"),
        (b'{"id": 7}', BadPacket, "Unable to parse 'id'"),
        (b'{"parameters": 1}', BadPacket, "Unable to parse 'parameters'"),
        (b'{"ids": 1, "parameters": {"ids": 1}}', BadInput, "'ids' is in the request and in its 'parameters'"),
        (b'{"other": [1]}', BadInput, r"'other' is no input of the model \(text, ids, box, free\), and as a parameter"),
        (b'{"other": null}', BadInput, "'other' is no input"),
        (b'{"box": [1, 2, 3]}', BadInput, r"the 3 value\(s\) of 'box' do not fill one row of shape \[2,2\]"),
        (b'{"text": ["a", "b"]}', BadInput, r"the 2 value\(s\) of 'text' do not fill one row of shape \[1\]"),
        (b'{"text": []}', BadInput, r"the 0 value\(s\) of 'text'"),
        (b'{"free": [1, 2]}', BadInput, "more than one axis may vary"),
        (b'{"text": 1}', BadPacket, "non-string as string"),
        (b'{"ids": "1"}', BadPacket, "non-signed-integer as signed-integer"),
        (b'{"ids": {"a": 1}}', BadPacket, "non-signed-integer"),
        (b'{"ids": 9223372036854775808}', BadInput, "does not fit in INT64"),
        (b"{" + b",".join(b'"p%d": 1' % k for k in range(65)) + b"}", TooLarge, "members of a request"),
    ],
)
def test_what_cannot_be_is_named(said: bytes, error: type[ServingError], text: str) -> None:
    with pytest.raises(error, match=text):
        tensors(said)


def answer(**outputs: Any) -> bytes:
    found = tuple(InferOutput(name, np.asarray(value), False) for name, value in outputs.items())
    return kserve_generate.encode(InferResponse(model="m", version="1", id="", outputs=found))


def test_one_value_is_itself_and_several_are_a_list() -> None:
    said = answer(
        a=np.array([[b"hi"]], object), b=np.array([[1.5, 2]], np.float32), c=np.array([True]), d=np.array([], np.int64)
    )
    assert said == b'{"a":"hi","b":[1.5,2.0],"c":true,"d":[],"model_name":"m","model_version":"1"}'


def test_what_is_not_finite_is_bare_as_triton_writes_it() -> None:
    assert answer(x=np.array([np.nan], np.float32)) == b'{"x":NaN,"model_name":"m","model_version":"1"}'


def test_an_id_comes_back() -> None:
    assert kserve_generate.encode(InferResponse(model="m", version="1", id="7")).endswith(b',"id":"7"}')
