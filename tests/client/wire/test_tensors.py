import numpy as np
import pytest

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType, BadInput, TooLarge
from paddle_serving_client.wire import tensors
from paddle_serving_client.wire.tensors import WireRequest, WireTensor, string_tensor


def test_a_request_for_a_service_goes_by_real_name() -> None:
    one = WireTensor(name="real", alias="nick", array=np.zeros(2), lod=((0, 2),))
    two = WireTensor(name="", alias="only", array=np.ones(1))
    request = WireRequest(tensors=(one, two), fetch=("y",), log_id=9).as_request(deadline=5.0)
    assert request.tensors is not None
    assert {name: array.tolist() for name, array in request.tensors.items()} == {"real": [0, 0], "only": [1]}
    assert dict(request.lods) == {"real": ((0, 2),)}
    assert (request.fetch, request.log_id, request.deadline, request.instances) == (("y",), 9, 5.0, ())


def test_every_type_with_a_numpy_type_has_a_place_on_the_wire() -> None:
    for code, row in dtype.ELEM_TYPES.items():
        if row.numpy is not None:
            assert tensors.checked_type("x", code, [row.carrier]) is row
            assert code == dtype.STRING or tensors.LITTLE[code].newbyteorder("=") == row.numpy
        else:
            with pytest.raises(BadDType):
                tensors.checked_type("x", code, [])
        assert row.carrier in tensors.CARRIERS


def test_the_row_of_a_tensor() -> None:
    assert tensors.row_of(string_tensor("s", (b"a",))).code == dtype.STRING
    assert tensors.row_of(WireTensor(name="x", array=np.zeros(1, np.uint8))).code == 7
    with pytest.raises(BadDType, match="tensor 'x': an array of objects that are no bytes cannot be sent"):
        tensors.row_of(WireTensor(name="x", array=np.array([None])))


def test_the_shape_that_is_sent() -> None:
    assert tensors.shape_of(string_tensor("s", (b"abc", b""))) == (2,)
    assert tensors.shape_of(WireTensor(name="x", array=np.zeros((2, 3)))) == (2, 3)


@pytest.mark.parametrize(("shape", "elements"), [([], 1), ([0], 0), ([2, 3], 6), ([1] * 16, 1), ([1 << 28], 1 << 28)])
def test_shapes_that_can_be(shape: list[int], elements: int) -> None:
    assert tensors.checked_elements("x", shape) == elements


@pytest.mark.parametrize("shape", [[(1 << 28) + 1], [0, 1 << 62], [1 << 60, 16], [2**16, 2**48], [1] * 17])
def test_shapes_that_are_too_large(shape: list[int]) -> None:
    with pytest.raises(TooLarge):
        tensors.checked_elements("x", shape)


def test_narrowing_refuses_what_does_not_fit() -> None:
    int32 = dtype.ELEM_TYPES[2]
    assert tensors.narrowed("x", np.array([-(2**31), 2**31 - 1]), int32).dtype == np.int32
    assert tensors.narrowed("x", np.array([], np.int64), int32).dtype == np.int32
    assert tensors.narrowed("x", np.array([0, 1, -7]), dtype.ELEM_TYPES[9]).tolist() == [False, True, True]
    for value in (2**31, -(2**31) - 1):
        with pytest.raises(BadInput, match=f"x: {value} in int_data does not fit in int32"):
            tensors.narrowed("x", np.array([0, value]), int32)
