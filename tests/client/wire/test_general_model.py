import contextlib
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType, BadInput, BadPacket, TooLarge
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.wire import general_model, protobuf
from paddle_serving_client.wire.general_model import ModelOutput, WireRequest, WireResponse, WireTensor
from paddle_serving_client.wire.proto import general_model_pb2 as pb
from tests.client import captured
from tests.data.frames import read
from tests.element_arrays import any_arrays, are_same

X = np.array(
    [0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332],
    np.float32,
)


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


# --- the frames that were captured, as their README says ---

UCI = {"x": X.reshape(1, 13)}
MULTI = {"f_real": f32(1, 2, 3)[None], "i64_real": np.array([[3, -4]]), "i32_real": np.array([[1, 2]], np.int32)}
WORDS = {"w_real": np.array([[11], [12], [13]])}
REQUESTS: dict[str, tuple[dict[str, Array], tuple[str, ...], dict[str, Lod]]] = {
    "req_fp16_int8": ({"h_real": np.array([1.5, -2], np.float16), "i8_real": np.array([-1, 5], np.int8)}, ("o1",), {}),
    "req_lod_int64": (WORDS, ("crf",), {"w_real": ((0, 3),)}),
    "req_lod_two_seq": (WORDS, ("crf",), {"w_real": ((0, 1, 3),)}),
    "req_multi_batch": (MULTI, ("o1", "o2", "o3"), {}),
    "req_multi_empty_feed": ({}, ("o1",), {}),
    "req_multi_fetch_subset": (MULTI, ("o3", "o1"), {}),
    "req_multi_no_outputs": (MULTI, ("o1",), {}),
    "req_multi_partial_prefix": ({"f_real": f32(1, 2, 3)[None]}, ("o1",), {}),
    "req_multi_two_engines": (MULTI, ("o1",), {}),
    "req_uci_batch": (UCI, ("price",), {}),
    "req_uci_batch3": ({"x": np.stack([X, X * 2, X * 3])}, ("price",), {}),
    "req_uci_fetch_none": (UCI, (), {}),
    "req_uci_fetch_unknown": (UCI, (), {}),
    "req_uci_list": (UCI, ("price",), {}),
    "req_uci_logid": (UCI, ("price",), {}),
    "req_uci_profile_server": (UCI, ("price",), {}),
    "req_uci_variant_tag": (UCI, ("price",), {}),
    "req_uint8_string": (
        {"u8_real": np.array([1, 2, 250, 255], np.uint8), "s_real": np.array([b"abc"], object)}, (), {}
    ),
}  # fmt: skip
ALIASES = {
    "x": "x", "f_real": "f", "i64_real": "i64", "i32_real": "i32", "w_real": "words", "u8_real": "u8", "s_real": "s",
    "h_real": "h", "i8_real": "i8",
}  # fmt: skip


def test_the_table_names_every_captured_request() -> None:
    assert sorted(REQUESTS) == captured.names("req")


@pytest.mark.parametrize("name", REQUESTS)
def test_captured_request(name: str) -> None:
    tensors, fetch, lods = REQUESTS[name]
    payload = captured.payload(name)
    wire = general_model.decode_request(payload)
    request = wire.as_request()
    assert request.tensors is not None
    assert list(request.tensors) == list(tensors)
    for key, array in tensors.items():
        assert are_same(request.tensors[key], array)
    assert {tensor.name: tensor.alias for tensor in wire.tensors} == {key: ALIASES[key] for key in tensors}
    assert (request.fetch, dict(request.lods)) == (fetch, lods)
    assert wire.log_id == (10000 if name == "req_uci_logid" else 0)
    assert wire.profile_server is (name == "req_uci_profile_server")
    assert general_model.encode_request(wire) == payload


O1 = {"o1": f32(1, 2)[None]}
PRICE = {"price": f32(18.901152)[None]}
CRF = {"crf": np.array([[7], [8], [9]])}
REPLIES: dict[str, tuple[dict[str, Array], tuple[int, ...]]] = {
    "rep_fp16_int8": (O1, ()),
    "rep_lod_int64": (CRF, ()),
    "rep_lod_two_seq": (CRF, ()),
    "rep_multi_batch": (O1 | {"o2": np.array([[3, -4]]), "o3": np.array([[5, 6]], np.int32)}, ()),
    "rep_multi_empty_feed": (O1, ()),
    "rep_multi_fetch_subset": ({"o3": np.array([[5, 6]], np.int32)} | O1, ()),
    "rep_multi_no_outputs": ({}, ()),
    "rep_multi_partial_prefix": (O1, ()),
    "rep_multi_two_engines": (O1, ()),
    "rep_uci_batch": (PRICE, (1000000, 1000050)),
    "rep_uci_batch3": ({"price": f32(1, 2, 3)[:, None]}, ()),
    "rep_uci_fetch_none": (PRICE, (1000000, 1000050)),
    "rep_uci_fetch_unknown": (PRICE, (1000000, 1000050)),
    "rep_uci_list": (PRICE, (1000000, 1000050)),
    "rep_uci_logid": (PRICE, (1000000, 1000050)),
    "rep_uci_nogzip": (PRICE, (1000000, 1000050)),
    "rep_uci_profile_server": (PRICE, (10, 20, 21, 90, 91, 95, 5, 99)),
    "rep_uci_variant_tag": (PRICE, (1000000, 1000050)),
    "rep_uint8_string": ({}, ()),
}


def test_the_table_names_every_captured_reply() -> None:
    assert sorted(REPLIES) == [name for name in captured.names("rep") if "_err_" not in name]


@pytest.mark.parametrize("name", REPLIES)
def test_captured_reply(name: str) -> None:
    tensors, profile_time = REPLIES[name]
    wire = general_model.decode_response(captured.payload(name))
    assert wire.profile_time == profile_time
    assert (wire.log_id, wire.err_no, wire.err_msg) == (0, 0, "")
    assert wire.profile_server is (name == "rep_uci_profile_server")
    if name in ("rep_multi_no_outputs", "rep_uint8_string"):
        assert wire.outputs == ()
        return
    first, *more = wire.outputs
    assert first.engine_name == "GeneralInferOp_0"
    assert [tensor.alias for tensor in first.tensors] == list(tensors)
    for tensor in first.tensors:
        np.testing.assert_array_equal(tensor.array, tensors[tensor.alias], strict=True)
    if name == "rep_multi_two_engines":
        assert more[0].engine_name == "GeneralInferOp_1"
        np.testing.assert_array_equal(more[0].tensors[0].array, f32(9, 8)[None], strict=True)
    else:
        assert more == []
    if name.startswith("rep_lod"):
        assert first.tensors[0].lod == (((0, 3),) if name == "rep_lod_int64" else ((0, 1, 3),))
    again = general_model.decode_response(general_model.encode_response(wire))
    assert repr(again) == repr(wire)


@pytest.mark.parametrize("name", ["grpc_message_uci", "http_proto_uci"])
def test_captured_messages_of_the_http_client(name: str) -> None:
    payload = read(f"{name}.bin") if name.startswith("grpc") else captured.http_body(name)
    wire = general_model.decode_request(payload)
    assert (wire.fetch, wire.log_id) == (("price",), 5)
    assert wire.tensors[0].array.shape == (1, 13)
    if name.startswith("grpc"):
        np.testing.assert_array_equal(wire.tensors[0].array, np.ones((1, 13), np.float32), strict=True)
    assert sorted(general_model.encode_request(wire)) == sorted(payload)


# --- cutting and changing bytes ---

DECLARED = (BadPacket, BadInput)
MESSAGES = [captured.payload(name) for name in captured.names("req")]


@pytest.mark.parametrize("payload", MESSAGES)
def test_cut_at_every_byte(payload: bytes) -> None:
    whole = general_model.decode_request(payload)
    for cut in range(len(payload)):
        with contextlib.suppress(*DECLARED):
            part = general_model.decode_request(payload[:cut])
            assert len(part.tensors) <= len(whole.tensors)


@settings(max_examples=500)
@given(st.sampled_from(MESSAGES), st.integers(0, 300), st.integers(0, 255), st.binary(max_size=12))
def test_changed_bytes_raise_nothing_undeclared(payload: bytes, at: int, byte: int, inserted: bytes) -> None:
    at %= len(payload)
    for changed in (payload[:at] + bytes((byte,)) + payload[at + 1 :], payload[:at] + inserted + payload[at:]):
        with contextlib.suppress(*DECLARED):
            general_model.decode_request(changed)
        with contextlib.suppress(*DECLARED):
            general_model.decode_response(changed)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing_undeclared(raw: bytes) -> None:
    for payload in (raw, *(protobuf_field(1, raw[:k]) + raw[k:] for k in (20, 60))):
        with contextlib.suppress(*DECLARED):
            general_model.decode_request(payload)
        with contextlib.suppress(*DECLARED):
            general_model.decode_response(payload)


def protobuf_field(number: int, value: bytes) -> bytes:
    return b"".join(protobuf.bytes_field(number, value))


# --- there and back ---

ARRAYS = any_arrays()
NAMES = st.text(min_size=1, max_size=12)


def lods(draw: st.DrawFn) -> Lod:
    steps = draw(st.lists(st.lists(st.integers(1, 400), max_size=4), max_size=3))
    return tuple((0, *np.cumsum(level).tolist()) for level in steps)


@st.composite
def wire_tensors(draw: st.DrawFn) -> WireTensor:
    name, alias, lod = draw(NAMES), draw(st.text("abc", max_size=3)), lods(draw)
    return WireTensor(name=name, alias=alias, array=draw(ARRAYS), lod=lod)


def same(a: WireTensor, b: WireTensor) -> bool:
    sent = b.array.reshape(1) if b.array.dtype.hasobject and b.array.ndim == 0 else b.array
    return are_same(a.array, sent) and (a.name, a.alias, a.lod) == (b.name, b.alias, b.lod)


TENSOR_LISTS = st.lists(wire_tensors(), max_size=4, unique_by=lambda tensor: tensor.name)


@given(TENSOR_LISTS, st.lists(NAMES, max_size=4), st.booleans(), st.integers(0, 2**64 - 1))
def test_request_there_and_back(tensors: list[WireTensor], fetch: list[str], profile: bool, log_id: int) -> None:
    wire = WireRequest(tensors=tuple(tensors), fetch=tuple(fetch), profile_server=profile, log_id=log_id)
    raw = general_model.encode_request(wire)
    back = general_model.decode_request(raw)
    assert all(map(same, back.tensors, tensors))
    assert (len(back.tensors), back.fetch, back.profile_server, back.log_id) == (
        len(tensors),
        tuple(fetch),
        profile,
        log_id,
    )
    assert pb.Request.FromString(raw).SerializeToString() == raw


@given(TENSOR_LISTS, NAMES, st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8), st.integers(-(2**31), 2**31 - 1))
def test_response_there_and_back(tensors: list[WireTensor], engine: str, times: list[int], err_no: int) -> None:
    outputs = (ModelOutput(tensors=tuple(tensors), engine_name=engine), ModelOutput(engine_name="b"))
    wire = WireResponse(outputs=outputs, profile_time=tuple(times), err_no=err_no, err_msg=engine, log_id=3)
    raw = general_model.encode_response(wire)
    back = general_model.decode_response(raw)
    assert all(map(same, back.outputs[0].tensors, tensors))
    assert [output.engine_name for output in back.outputs] == [engine, "b"]
    assert (back.profile_time, back.err_no, back.err_msg, back.log_id) == (tuple(times), err_no, engine, 3)
    assert pb.Response.FromString(raw).SerializeToString() == raw


@given(ARRAYS)
def test_values_are_those_that_protobuf_reads(array: Array) -> None:
    raw = general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=array),)))
    tensor = pb.Request.FromString(raw).tensor[0]
    row = dtype.ELEM_TYPES[dtype.code_of(array.dtype)]
    assert tensor.elem_type == row.code
    assert tuple(tensor.shape) == array.shape or (row.code == dtype.STRING and array.shape == ())
    values = getattr(tensor, row.carrier)
    if row.code == dtype.STRING:
        assert list(values) == list(array.flat)
        return
    if row.carrier == "tensor_content":
        assert values == array.tobytes()
        return
    flat = array.reshape(-1)
    if flat.dtype.kind == "c":
        flat = flat.view(f"f{flat.itemsize // 2}")
    np.testing.assert_array_equal(np.array(values, flat.dtype), flat)


@pytest.mark.parametrize("kind", ["row", "strided", "fortran", "swapped"])
def test_any_layout_is_sent_alike(kind: str) -> None:
    plain = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    array = {
        "row": plain,
        "strided": np.repeat(plain, 2, axis=2)[:, :, ::2],
        "fortran": np.asfortranarray(plain),
        "swapped": plain.astype(">f4"),
    }[kind]
    (tensor,) = general_model.decode_request(
        general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=array),)))
    ).tensors
    np.testing.assert_array_equal(tensor.array, plain, strict=True)


def test_an_array_of_a_type_without_a_code_is_refused() -> None:
    for array in (np.array(["a"]), np.array([object()]), np.array(["a"], object), np.array([1], np.longdouble)):
        with pytest.raises(BadDType, match="tensor 'x': .* cannot be sent"):
            general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=array),)))


# --- views ---


def test_floats_are_read_only_views_of_the_message() -> None:
    payload = captured.payload("req_uci_batch")
    array = general_model.decode_request(payload).tensors[0].array
    assert np.shares_memory(array, np.frombuffer(payload, np.uint8))
    assert not array.flags.writeable


@pytest.mark.parametrize("name", ["req_multi_batch", "req_fp16_int8", "req_uint8_string"])
def test_no_array_off_the_wire_can_be_written(name: str) -> None:
    payload = bytearray(captured.payload(name))
    for tensor in general_model.decode_request(memoryview(payload)).tensors:
        with pytest.raises(ValueError, match="read-only"):
            tensor.array[...] = 1


# --- what a foreign encoder may send ---


def original_tensor(**fields: Any) -> bytes:
    return bytes(pb.Request(tensor=[pb.Tensor(**fields)]).SerializeToString())


def test_numbers_that_are_not_packed_are_read() -> None:
    tensor = b"\x08\x05\x08\xac\x02" + protobuf_field(1, b"\x07") + b"\x58\x03\x6a\x01x"
    (got,) = general_model.decode_request(protobuf_field(1, tensor)).tensors
    assert got.array.tolist() == [5, 300, 7]
    tensor = b"\x15\x00\x00\x80\x3f\x15\x00\x00\x00\x40\x50\x01\x5a\x01\x02\x6a\x01x"
    (got,) = general_model.decode_request(protobuf_field(1, tensor)).tensors
    assert got.array.tolist() == [1, 2]


def test_fields_in_any_order_and_unknown_ones() -> None:
    tensor = b"\x6a\x01x\xa2\x06\x03abc\x5a\x01\x01\x50\x01\x12\x04\x00\x00\x80\x3f\x50\x01"
    payload = b"\x20\x05\x12\x01y\xa0\x06\x01" + protobuf_field(1, tensor)
    wire = general_model.decode_request(payload)
    assert (wire.log_id, wire.fetch, wire.tensors[0].array.tolist()) == (5, ("y",), [1])


def test_a_tensor_with_only_an_alias_goes_by_it() -> None:
    payload = original_tensor(alias_name="a", int64_data=[1], shape=[1])
    assert general_model.decode_request(payload).as_request().tensors == {"a": np.array([1])}


@pytest.mark.parametrize(
    ("shape", "expected"), [([], (4,)), ([2], (4,)), ([4], (4,)), ([2, 2], (2, 2)), ([1, 4], (1, 4))]
)
def test_strings_have_the_shape_that_came_if_it_has_two_axes(shape: list[int], expected: tuple[int, ...]) -> None:
    strings = [b"ab", b"", "ä\0b".encode(), b"\xff"]
    (tensor,) = general_model.decode_request(original_tensor(name="s", elem_type=20, shape=shape, data=strings)).tensors
    assert (list(tensor.strings), tensor.array.shape) == (strings, expected)


def test_strings_that_are_not_as_many_as_their_shape_says_are_refused() -> None:
    with pytest.raises(BadInput, match=r"shape \[2, 2\] is 4 elements, but data has 1"):
        general_model.decode_request(original_tensor(name="s", elem_type=20, shape=[2, 2], data=[b"a"]))


@pytest.mark.parametrize(("flat", "levels"), [
    ([], ()), ([0], ((0,),)), ([0, 3], ((0, 3),)), ([0, 2, 3, 0, 1, 4, 9], ((0, 2, 3), (0, 1, 4, 9))),
    ([0, 300, 70000], ((0, 300, 70000),)),
])  # fmt: skip
def test_each_zero_starts_a_level_of_lod(flat: list[int], levels: Lod) -> None:
    payload = original_tensor(name="x", int64_data=[1], shape=[1], lod=flat)
    assert general_model.decode_request(payload).tensors[0].lod == levels


def test_empty_payload_is_an_empty_message() -> None:
    assert general_model.decode_request(b"") == WireRequest()
    assert general_model.decode_response(b"") == WireResponse()


# --- what is refused ---

ONES = {"float_data": [1.0] * 4, "elem_type": 1, "name": "x"}


@pytest.mark.parametrize(("fields", "error", "problem"), [
    ({"shape": [2, 3]}, BadInput, r"tensor 'x': shape \[2, 3\] is 6 elements, but float_data has 4"),
    ({"shape": [3]}, BadInput, r"shape \[3\] is 3 elements, but float_data has 4"),
    ({}, BadInput, r"shape \[\] is 1 elements, but float_data has 4"),
    ({"shape": [0, 4]}, BadInput, r"is 0 elements, but float_data has 4"),
    ({"shape": [-1, 4]}, BadInput, r"shape \[-1, 4\] has a negative dimension"),
    ({"shape": [-2, -2]}, BadInput, "negative dimension"),
    ({"shape": [1 << 16, 1 << 16]}, TooLarge, "over 268435456 elements"),
    ({"shape": [0, 2147483647]}, TooLarge, "over 268435456 elements"),
    ({"shape": [1] * 17}, TooLarge, "17, at most 16"),
    ({"shape": [4], "elem_type": 0}, BadInput, "int64 values go in int64_data, but float_data came"),
    ({"shape": [4], "elem_type": 20}, BadInput, "string values go in data, but float_data came"),
    ({"shape": [4], "int64_data": [1]}, BadInput, "float32 values go in float_data, but int64_data came"),
    ({"shape": [4], "tensor_content": b"a"}, BadInput, "but tensor_content came"),
    ({"shape": [4], "elem_type": 6}, BadInput, "bfloat16 values go in tensor_content, but float_data came"),
    ({"shape": [4], "elem_type": 99}, BadDType, r"elem_type 99 \(type 99\)"),
    ({"shape": [4], "elem_type": -1}, BadDType, r"elem_type -1 \(type -1\)"),
    ({"shape": [4], "name": ""}, BadInput, "neither name nor alias_name"),
    ({"shape": [4], "lod": [1, 4]}, BadInput, r"lod must start with 0, got \[1, 4\]"),
    ({"shape": [4], "lod": [-1]}, BadInput, "lod must start with 0"),
    ({"shape": [4], "name": "n" * 1025}, TooLarge, "bytes of name: 1025, at most 1024"),
])  # fmt: skip
def test_tensors_that_cannot_be(fields: dict[str, Any], error: type[BadInput], problem: str) -> None:
    with pytest.raises(error, match=problem):
        general_model.decode_request(original_tensor(**ONES | fields))


@pytest.mark.parametrize(("fields", "problem"), [
    ({"elem_type": 20, "shape": [1]}, "without a string in data"),
    ({"elem_type": 1, "shape": [1]}, "but float_data has 0"),
    ({"elem_type": 5, "shape": [1], "tensor_content": b"abc"}, "tensor_content has 3 bytes, not a multiple of 2"),
    ({"elem_type": 8, "shape": [2], "tensor_content": b"abc"}, "but tensor_content has 3"),
    ({"elem_type": 4, "shape": [1], "int_data": [40000]}, "40000 in int_data does not fit in int16"),
    ({"elem_type": 4, "shape": [1], "int_data": [-40000]}, "-40000 in int_data does not fit in int16"),
    ({"elem_type": 0, "shape": [1], "data": [b"a"]}, "but data came"),
])  # fmt: skip
def test_other_tensors_that_cannot_be(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        general_model.decode_request(original_tensor(name="x", **fields))


@pytest.mark.parametrize(("tensor", "problem"), [
    (b"\x12\x03abc\x50\x01\x5a\x01\x01\x6a\x01x", "float_data has 3 bytes, not a multiple of 4"),
    (b"\x10\x01\x50\x01\x6a\x01x", r"float_data\) came with wire type 0"),
    (b"\x52\x01\x01\x6a\x01x", r"elem_type\) came with wire type 2"),
    (b"\x68\x01", r"name\) came with wire type 0"),
    (b"\x0a\x01\x80\x5a\x01\x01\x6a\x01x", "cut|has 0"),
    (b"\x0a\x0a" + b"\xff" * 9 + b"\x02\x5a\x01\x01\x6a\x01x", "64 bits"),
    (b"\x6a\x01\xff", "name is not UTF-8"),
    (b"\x4a\x01a\x50\x14\x5a\x01\x80\x6a\x01s", "cut"),
    (b"\x5a\x05\xff\xff\xff\xff\x0f\x6a\x01x", "over 268435456"),
    (b"\x1a\x05\x80\x80\x80\x80\x40\x50\x02\x5a\x01\x01\x6a\x01x", "does not fit in int32"),
])  # fmt: skip
def test_tensors_that_no_encoder_writes(tensor: bytes, problem: str) -> None:
    with pytest.raises((BadPacket, BadInput), match=problem):
        general_model.decode_request(protobuf_field(1, tensor))


def test_a_name_twice() -> None:
    tensor = pb.Tensor(int64_data=[1], shape=[1], name="x")
    with pytest.raises(BadInput, match="tensor 'x' is there more than once"):
        general_model.decode_request(pb.Request(tensor=[tensor, tensor]).SerializeToString())


def test_a_string_over_the_limit() -> None:
    payload = original_tensor(name="s", elem_type=20, data=[b"a" * ((16 << 20) + 1)])
    with pytest.raises(TooLarge, match="bytes of a string: 16777217, at most 16777216"):
        general_model.decode_request(payload)


@pytest.mark.parametrize(("field", "value", "count", "problem"), [
    ("tensor", {"name": "x"}, 65, "tensors: 65, at most 64"),
    ("fetch_var_names", "y", 65, "fetch_var_names: 65, at most 64"),
])  # fmt: skip
def test_too_many(field: str, value: object, count: int, problem: str) -> None:
    payload = pb.Request(**{field: [value] * count}).SerializeToString()  # type: ignore[arg-type]
    with pytest.raises(TooLarge, match=problem):
        general_model.decode_request(payload)


def test_a_million_empty_tensors_cost_nothing() -> None:
    payload = b"\x0a\x00" * 1_000_000
    tracemalloc.start()
    try:
        start = time.perf_counter()
        with pytest.raises(TooLarge):
            general_model.decode_request(payload)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        assert time.perf_counter() - start < 0.5
    finally:
        tracemalloc.stop()


def test_numbers_are_counted_before_they_are_decoded() -> None:
    payload = protobuf_field(1, protobuf_field(1, bytes(8 << 20)) + b"\x5a\x01\x01\x6a\x01x")
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=r"shape \[1\] is 1 elements, but int64_data has 8388608"):
            general_model.decode_request(payload)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
