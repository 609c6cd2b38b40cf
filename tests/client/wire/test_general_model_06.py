"""Requests of 0.6 against protobuf's own code for them, and never taken for those of today."""

import contextlib
import time
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType, BadInput, BadPacket, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_client.wire import general_model, general_model_06, multi_lang, protobuf
from paddle_serving_client.wire.general_model import ModelOutput, WireRequest, WireResponse, WireTensor
from paddle_serving_client.wire.proto import general_model_06_pb2 as old
from paddle_serving_client.wire.proto import general_model_pb2 as new
from paddle_serving_client.wire.proto import multi_lang_pb2 as pb
from tests.client import captured


@dataclass(frozen=True)
class In:
    """An input of a model."""

    name: str
    alias: str
    elem_type: int
    shape: tuple[int, ...]
    is_lod: bool = False


X = In("x_real", "x", 1, (-1, 3))
WORDS = In("w_real", "words", 0, (-1, 1), is_lod=True)
I32 = In("i_real", "i", 2, (-1, 2))


def tensor(array: Array, code: int | None = None, lod: tuple[int, ...] = ()) -> old.Tensor:
    """As the clients of 0.6 fill it."""
    code = dtype.code_of(array.dtype) if code is None else code
    values = {dtype.ELEM_TYPES[code].carrier: array.reshape(-1).tolist()}
    return old.Tensor(elem_type=code, shape=array.shape, lod=lod, **values)


def request(*instances: list[old.Tensor], fetch: tuple[str, ...] = ("price",), log_id: int = 0) -> bytes:
    insts = [old.FeedInst(tensor_array=tensors) for tensors in instances]
    return old.Request(insts=insts, fetch_var_names=fetch, log_id=log_id).SerializeToString()


def arrays(payload: bytes, *inputs: In) -> dict[str, Array]:
    wire = general_model_06.decode_request(payload).as_wire(inputs)
    return {t.name: t.array for t in wire.tensors}


F32 = np.array([[1.5, -2, 3], [4, 5, 6]], np.float32)
I64 = np.array([[1], [-(2**40)], [3]])


def test_a_batch_as_0_6_sends_it() -> None:
    payload = request([tensor(F32), tensor(np.array([[1, -2], [3, 4]], np.int32))], fetch=("a", "b"), log_id=7)
    assert general_model_06.claims(payload)
    wire = general_model_06.decode_request(payload).as_wire((X, I32))
    assert (wire.fetch, wire.log_id, wire.profile_server) == (("a", "b"), 7, False)
    assert [(t.name, t.alias) for t in wire.tensors] == [("x_real", "x"), ("i_real", "i")]
    np.testing.assert_array_equal(wire.tensors[0].array, F32, strict=True)
    np.testing.assert_array_equal(wire.tensors[1].array, np.array([[1, -2], [3, 4]], np.int32), strict=True)


def test_instances_without_a_batch_axis_become_rows_as_0_3_sends_them() -> None:
    payload = request(*([tensor(row)] for row in F32))
    np.testing.assert_array_equal(arrays(payload, X)["x_real"], F32, strict=True)


def test_instances_with_a_batch_axis_are_joined() -> None:
    payload = request(*([tensor(row[None])] for row in F32))
    np.testing.assert_array_equal(arrays(payload, X)["x_real"], F32, strict=True)


def test_sequences_with_and_without_offsets() -> None:
    payload = request([tensor(I64, lod=(0, 1, 3))], [tensor(I64[:2], lod=(0, 2))])
    (words,) = general_model_06.decode_request(payload).as_wire((WORDS,)).tensors
    assert (words.array.ravel().tolist(), words.lod) == ([1, -(2**40), 3, 1, -(2**40)], ((0, 1, 3, 5),))
    payload = request([tensor(I64.ravel())], [tensor(I64.ravel()[:2])])
    (words,) = general_model_06.decode_request(payload).as_wire((WORDS,)).tensors
    assert (words.array.shape, words.lod) == ((5, 1), ((0, 3, 5),))


@pytest.mark.parametrize("code", [3, 20])
def test_strings(code: int) -> None:
    payload = request([old.Tensor(data=[b"abc"], elem_type=code, shape=[1])])
    (text,) = general_model_06.decode_request(payload).as_wire((In("s_real", "s", 20, (-1,)),)).tensors
    assert text.strings == (b"abc",)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.int32])
def test_a_million_numbers_that_are_not_packed_are_read_at_once(kind: type) -> None:
    array: Array = np.random.default_rng(1).integers(-(2**31), 2**31, (1000, 1000)).astype(kind)
    payload = request([tensor(array)])
    of = In("x", "x", dtype.code_of(array.dtype), (-1, 1000))
    started = time.perf_counter()
    tracemalloc.start()
    (read,) = arrays(payload, of).values()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - started < 5
    assert peak < 12 * len(payload)
    np.testing.assert_array_equal(read, array, strict=True)


@given(st.lists(st.one_of(st.integers(-3, 300), st.integers(-(2**63), 2**63 - 1)), max_size=300), st.integers(0, 300))
def test_packed_or_not_or_both_numbers_are_the_same(values: list[int], split: int) -> None:
    unpacked = old.Tensor(int64_data=values[:split]).SerializeToString()
    packed = b"".join(protobuf.bytes_field(3, protobuf.pack_few(values[split:])))
    shape = old.Tensor(elem_type=0, shape=[len(values)]).SerializeToString()
    payload = b"".join(protobuf.bytes_field(1, *protobuf.bytes_field(1, unpacked + packed + shape)))
    assert arrays(payload, In("x", "x", 0, (-1, -1)))["x"].ravel().tolist() == values


@pytest.mark.parametrize(
    ("payload", "error", "words"),
    [
        (request([tensor(F32)], [tensor(F32), tensor(F32)]), BadInput, "2 tensors came for 1 inputs"),
        (request([tensor(F32)], [tensor(F32[:, :2])]), BadInput, "different shapes"),
        (
            request([old.Tensor(float_data=[1, 2], elem_type=1, shape=[1, 3])]),
            BadInput,
            "3 elements, but float_data has 2",
        ),
        (request([old.Tensor(int_data=[1], elem_type=1, shape=[1, 1])]), BadInput, "float32 values go in float_data"),
        (request([old.Tensor(elem_type=99, shape=[1])]), BadDType, "elem_type 99"),
        (request([old.Tensor(elem_type=1, shape=[1 << 30, 1 << 30])]), TooLarge, "is over"),
        (request([tensor(F32)], fetch=("n" * 2000,)), TooLarge, "fetch_var_names"),
        (old.Request(log_id=0).SerializeToString(), BadInput, "no insts"),
        (b"\x0a\x03\x0a\x01\x25", BadPacket, "needs 4 bytes"),
    ],
)
def test_what_cannot_be_is_named(payload: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        general_model_06.decode_request(payload).as_wire((X,))


# --- replies ---

ANSWER = WireResponse(
    outputs=(
        ModelOutput(
            tensors=(
                WireTensor(name="p_real", alias="price", array=np.array([[18.5]], np.float32)),
                WireTensor(name="w_real", alias="words", array=I64, lod=((0, 1, 3),)),
            ),
            engine_name="GeneralInferOp_0",
        ),
    ),
    profile_time=(1, 2),
)


def test_a_reply_is_in_the_order_that_was_asked_for() -> None:
    asked = general_model_06.decode_request(request([tensor(F32)], fetch=("words", "price")))
    said = old.Response.FromString(general_model_06.encode_response(ANSWER, asked))
    (output,) = said.outputs
    words, price = output.insts[0].tensor_array
    assert (list(words.int64_data), list(words.shape), list(words.lod)) == ([1, -(2**40), 3], [3, 1], [0, 1, 3])
    assert (list(price.float_data), list(price.shape)) == ([18.5], [1, 1])
    assert (output.engine_name, list(said.profile_time)) == ("GeneralInferOp_0", [])


def test_times_come_when_they_are_asked_for() -> None:
    asked = old.Request(insts=[old.FeedInst(tensor_array=[tensor(F32)])], profile_server=True, log_id=0)
    decoded = general_model_06.decode_request(asked.SerializeToString())
    assert list(old.Response.FromString(general_model_06.encode_response(ANSWER, decoded)).profile_time) == [1, 2]


def test_an_output_that_is_not_there_is_named() -> None:
    asked = general_model_06.decode_request(request([tensor(F32)], fetch=("nope",)))
    with pytest.raises(BadInput, match="unknown output 'nope'.*there are 'price', 'words'"):
        general_model_06.encode_response(ANSWER, asked)


# --- which is which ---

_BYTES = st.binary(max_size=40)
_LIKE_A_MESSAGE = st.one_of(
    st.lists(st.integers(0, 127), max_size=30),
    _BYTES.map(lambda raw: [0x0A, len(raw), *[byte & 0x7F for byte in raw]]),
    st.lists(st.integers(0, 40), max_size=5).map(lambda v: [0x0A, 2 + len(v), 0x0A, len(v), *v]),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20),
)


@st.composite
def todays_tensors(draw: st.DrawFn) -> new.Tensor:
    """Tensors as 0.7 and later have them, whose values often look like messages."""
    name, alias = draw(st.sampled_from([("x", ""), ("", "x"), ("x", "x"), ("\n\x02", "\n\x00")]))
    made = new.Tensor(name=name, alias_name=alias, shape=draw(st.lists(st.integers(0, 3), max_size=3)))
    made.int64_data.extend(draw(_LIKE_A_MESSAGE))
    made.float_data.extend(np.frombuffer(draw(st.binary(min_size=0, max_size=8)).ljust(8, b"\n"), "<f4").tolist())
    made.elem_type = draw(st.integers(0, 20))
    return made


@settings(max_examples=300)
@given(st.lists(todays_tensors(), min_size=1, max_size=3), st.lists(st.text(max_size=5), max_size=2))
def test_a_request_of_today_is_never_taken_for_an_old_one(tensors: list[new.Tensor], fetch: list[str]) -> None:
    assert not general_model_06.claims(new.Request(tensor=tensors, fetch_var_names=fetch).SerializeToString())


@settings(max_examples=300)
@given(st.lists(st.lists(st.lists(st.integers(-200, 200), max_size=9), min_size=1, max_size=3), min_size=1, max_size=3))
def test_an_old_request_is_never_taken_for_one_of_today(instances: list[list[list[int]]]) -> None:
    payload = request(*([tensor(np.array(values, np.int64)) for values in tensors] for tensors in instances))
    assert general_model_06.claims(payload)
    with pytest.raises((BadInput, BadPacket)):
        general_model.decode_request(payload)


@pytest.mark.parametrize("name", captured.names("req"))
def test_captured_requests_are_of_today(name: str) -> None:
    assert not general_model_06.claims(captured.payload(name))


@given(st.binary(max_size=200))
def test_any_bytes_are_told_apart_and_read_or_refused(raw: bytes) -> None:
    general_model_06.claims(raw)
    with contextlib.suppress(BadInput, BadPacket):
        general_model_06.decode_request(raw).as_wire((X,))


def test_todays_requests_without_a_name_are_not_answered_as_old_ones() -> None:
    nameless = new.Request(tensor=[new.Tensor(float_data=[1.0], elem_type=1, shape=[1])]).SerializeToString()
    assert not general_model_06.claims(nameless)
    assert not general_model_06.claims(general_model.encode_request(WireRequest(fetch=("price",))))
    assert not general_model_06.claims(b"\x0a\x00\x0a\x00")


# --- MultiLangGeneralModelService, whose tensors are the same ---


def multi_lang_request(is_python: bool, names: tuple[str, ...] = ("i", "x")) -> multi_lang.MultiLangRequest:
    """As MultiLangClient packs it: no elem_type, the type follows from the name."""
    i32 = np.array([[7, -8]], np.int32)
    if is_python:
        tensors = [pb.Tensor(data=a.tobytes(), shape=a.shape) for a in (i32, F32[:1])]
    else:
        tensors = [pb.Tensor(int_data=[7, -8], shape=[1, 2]), pb.Tensor(float_data=F32[0], shape=[1, 3])]
    made = pb.InferenceRequest(
        insts=[pb.FeedInst(tensor_array=tensors)],
        feed_var_names=names,
        fetch_var_names=["words", "price"],
        is_python=is_python,
        log_id=9,
    )
    return multi_lang.decode_request(made.SerializeToString())


@pytest.mark.parametrize("is_python", [False, True])
def test_values_as_bytes_and_as_numbers(is_python: bool) -> None:
    asked = multi_lang_request(is_python)
    assert (asked.fetch, asked.log_id, asked.is_python) == (("words", "price"), 9, is_python)
    wire = asked.as_wire((X, I32))
    assert {t.name: t.array.tolist() for t in wire.tensors} == {"i_real": [[7, -8]], "x_real": [[1.5, -2, 3]]}
    said = pb.InferenceResponse.FromString(multi_lang.encode_response(ANSWER, asked))
    words, price = said.outputs[0].insts[0].tensor_array
    assert (said.err_code, said.tag) == (0, "default")
    if is_python:
        assert (words.data, price.data) == (I64.tobytes(), np.float32(18.5).tobytes())
    else:
        assert (list(words.int64_data), list(price.float_data)) == (I64.ravel().tolist(), [18.5])
    assert (list(words.shape), list(words.lod), list(price.shape)) == ([3, 1], [0, 1, 3], [1, 1])


def test_an_input_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match="unknown input 'nope'; this model takes 'x', 'i'"):
        multi_lang_request(True, ("nope", "x")).as_wire((X, I32))


def test_raw_bytes_of_a_wrong_length() -> None:
    made = pb.InferenceRequest(
        insts=[pb.FeedInst(tensor_array=[pb.Tensor(data=b"12345", shape=[1])])],
        feed_var_names=["x"],
        is_python=True,
        log_id=0,
    )
    with pytest.raises(BadInput, match="data has 5 bytes, not a multiple of 4"):
        multi_lang.decode_request(made.SerializeToString()).as_wire((X,))


def test_timeouts_and_configs() -> None:
    assert multi_lang.decode_timeout_ms(pb.SetTimeoutRequest(timeout_ms=200).SerializeToString()) == 200
    for wrong in (pb.SetTimeoutRequest(timeout_ms=-1).SerializeToString(), b"\x08\x00", b""):
        with pytest.raises((BadInput, BadPacket), match="timeout_ms"):
            multi_lang.decode_timeout_ms(wrong)
    assert pb.SimpleResponse.FromString(multi_lang.encode_simple_response()).err_code == 0
    config = pb.GetClientConfigResponse.FromString(multi_lang.encode_client_config("feed_var {}"))
    assert config.client_config_str == "feed_var {}"
