"""No feed reaches a backend that was not checked in full: names, types, rank, every axis, byte order, offsets."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType, BadInput
from paddle_serving_client.message import Array

IMAGE = Input("image_real", "image", 1, (-1, 3, -1, -1))
VECTOR = Input("x_real", "x", 1, (-1, 13))
WORDS = Input("w_real", "words", 0, (-1, 1), is_lod=True)
KINDS: list[np.dtype[Any]] = [np.dtype(kind) for kind in ("<f4", ">f4", "f8", "i4")]
OUTPUTS = (Output("o1_real", "o1", 1), Output("o2_real", "o2", 0))


def signature(*inputs: Input) -> Signature:
    return Signature(inputs, OUTPUTS)


def arrange(spec: Input, array: Array) -> Array:
    return signature(spec).arrange({spec.alias: array}).arrays[0]


class TestNames:
    def test_aliases_and_real_names_in_any_order(self) -> None:
        both = signature(IMAGE, VECTOR)
        image, x = np.ones((1, 3, 2, 2), np.float32), np.ones((1, 13), np.float32)
        for feed in ({"image": image, "x": x}, {"x_real": x, "image": image}, {"x": x, "image_real": image}):
            arranged = both.arrange(feed)
            assert arranged.arrays[0] is image
            assert arranged.arrays[1] is x

    @pytest.mark.parametrize(
        ("names", "text"),
        [
            ((), "missing input 'image' (float32[-1, 3, -1, -1]), 'x' (float32[-1, 13]); nothing came"),
            (("image",), "missing input 'x' (float32[-1, 13]); 'image' came"),
            (("image", "x", "y"), "unknown input 'y'; this model takes 'image', 'x'"),
            (("x", "x_real"), "input 'x' came twice"),
            (("Image", "x"), "unknown input 'Image'"),
            (("n" * 500,), f"unknown input '{'n' * 61}...'"),
            (("",), "unknown input ''"),
        ],
    )
    def test_wrong(self, names: tuple[str, ...], text: str) -> None:
        arrays = {"image": np.ones((1, 3, 2, 2), np.float32)}
        feed = {name: arrays.get(name, np.ones((1, 13), np.float32)) for name in names}
        with pytest.raises(BadInput) as caught:
            signature(IMAGE, VECTOR).arrange(feed)
        assert text in str(caught.value)

    def test_alias_that_is_the_real_name_of_another(self) -> None:
        crossed = signature(Input("a", "b", 1, (-1, 1)), Input("b", "c", 1, (-1, 2)))
        arranged = crossed.arrange({"a": np.ones((1, 1), np.float32), "c": np.ones((1, 2), np.float32)})
        assert [a.shape for a in arranged.arrays] == [(1, 1), (1, 2)]


class TestTypes:
    @pytest.mark.parametrize("sent", ["f2", "f8", "i4", "u1", "?", "c8", "S4", "U4", "O", "M8[s]", "V4", ">f8"])
    def test_other_types(self, sent: str) -> None:
        with pytest.raises(BadDType, match=r"input 'x' must be float32\[-1, 13\], got"):
            arrange(VECTOR, np.zeros((1, 13), sent))

    @pytest.mark.parametrize("code", [code for code, row in dtype.ELEM_TYPES.items() if row.numpy is not None])
    @pytest.mark.parametrize("order", ["<", ">", "="])
    def test_every_type_in_every_byte_order(self, code: int, order: Literal["<", ">", "="]) -> None:
        kind = dtype.numpy_of(code)
        assert kind is not None
        values = np.array([[b"", b"a", b"a", b""]], object) if kind.hasobject else np.array([[0, 1, 1, 0]]).astype(kind)
        fitted = arrange(Input("x", "x", code, (-1, 4)), values.astype(kind.newbyteorder(order)))
        assert fitted.dtype == kind and fitted.dtype.isnative
        np.testing.assert_array_equal(fitted, values)

    @pytest.mark.parametrize("sent", [
        np.array([[b"a", "ä"]], object), np.array([["a", "ä"]]), np.array([[b"a", "ä".encode()]]),
    ])  # fmt: skip
    def test_strings_however_numpy_has_them(self, sent: Array) -> None:
        assert arrange(Input("x", "x", dtype.STRING, (-1, 2)), sent).tolist() == [[b"a", "ä".encode()]]

    @pytest.mark.parametrize("sent", [np.zeros((1, 2)), np.zeros((1, 2), np.uint8), np.array([[1, b"a"]], object)])
    def test_what_is_no_string(self, sent: Array) -> None:
        with pytest.raises(BadInput, match="input 'x' must be string"):
            arrange(Input("x", "x", dtype.STRING, (-1, 2)), sent)

    def test_strings_for_bytes_are_joined_with_nul(self) -> None:
        fitted = arrange(Input("x", "x", 7, (-1,)), np.array([b"ab", b"", "ä\0b".encode()], object))
        assert fitted.dtype == np.uint8 and fitted.tobytes() == b"ab\0\0" + "ä\0b".encode()

    @pytest.mark.parametrize("code", [-1, 99])
    def test_types_that_numpy_has_not(self, code: int) -> None:
        with pytest.raises(BadDType, match="cannot be served"):
            arrange(Input("x", "x", code, (-1, 4)), np.zeros((1, 4), np.float32))


class TestShapes:
    @pytest.mark.parametrize("shape", [(1, 3, 2, 2), (7, 3, 1, 9)])
    def test_right(self, shape: tuple[int, ...]) -> None:
        x = np.ones(shape, np.float32)
        assert arrange(IMAGE, x) is x

    @pytest.mark.parametrize(
        ("shape", "text"),
        [
            ((3, 2, 2), "the number of axes differs"),
            ((1, 1, 3, 2, 2), "the number of axes differs"),
            ((), "the number of axes differs"),
            ((12,), "the number of axes differs"),
            ((1, 2, 2, 3), "axis 1 is not 3"),
            ((1, 1, 2, 2), "axis 1 is not 3"),
            ((1, 4, 2, 2), "axis 1 is not 3"),
            ((0, 3, 2, 2), "axis 0 is empty"),
            ((1, 3, 0, 2), "axis 2 is empty"),
            ((1, 3, 2, 0), "axis 3 is empty"),
        ],
    )
    def test_wrong(self, shape: tuple[int, ...], text: str) -> None:
        with pytest.raises(BadInput) as caught:
            arrange(IMAGE, np.ones(shape, np.float32))
        assert text in str(caught.value)
        assert f"float32{list(shape)}" in str(caught.value)

    @pytest.mark.parametrize(
        ("inner", "sent"),
        [((13,), (2, 13, 1)), ((13,), (2, 1, 13)), ((3, 4), (2, 3, 1, 4)), ((1, 4), (2, 4)), ((4, 1), (2, 1, 4, 1))],
    )
    def test_spellings_that_are_one_shape(self, inner: tuple[int, ...], sent: tuple[int, ...]) -> None:
        x = np.arange(int(np.prod(sent)), dtype=np.float32).reshape(sent)
        fitted = arrange(Input("x", "x", 1, (-1, *inner)), x)
        assert fitted.shape == (2, *inner)
        np.testing.assert_array_equal(fitted.ravel(), x.ravel())

    @pytest.mark.parametrize(
        ("inner", "sent"),
        [
            *[((3, 4), (2, 4, 3)), ((3, 4), (2, 2, 6)), ((3, 4), (2, 12)), ((13,), (13,)), ((3, 4), (24,))],
            *[((2, 2), (1, 8)), ((3, 32, 32), (1, 32, 32, 3)), ((3, 32, 32), (1, 3072)), ((3, 32, 32), (1, 96, 32))],
        ],
    )
    def test_shapes_that_only_hold_as_much(self, inner: tuple[int, ...], sent: tuple[int, ...]) -> None:
        with pytest.raises(BadInput):
            arrange(Input("x", "x", 1, (-1, *inner)), np.ones(sent, np.float32))

    def test_scalar_input(self) -> None:
        assert arrange(Input("x", "x", 1, ()), np.array(3, np.float32)).shape == ()

    @given(
        hnp.arrays(
            st.sampled_from(KINDS),
            hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
        ),
        st.booleans(),
        st.booleans(),
    )
    def test_what_passes_is_what_the_backend_needs(self, array: Array, fortran: bool, reverse: bool) -> None:
        sent = np.asfortranarray(array) if fortran else array
        sent = sent[::-1] if reverse and sent.ndim else sent
        before = sent.copy()
        try:
            fitted = arrange(IMAGE, sent)
        except BadInput:
            fitted = None
        np.testing.assert_array_equal(sent, before)
        is_right = (
            array.dtype.newbyteorder("=") == np.float32 and array.ndim == 4 and array.shape[1] == 3 and array.size
        )
        assert (fitted is not None) == bool(is_right)
        if fitted is not None:
            assert fitted.dtype == np.float32 and fitted.flags.c_contiguous and fitted.dtype.isnative
            np.testing.assert_array_equal(fitted, sent)


class TestLod:
    ROWS = np.ones((3, 1), np.int64)

    @pytest.mark.parametrize("lod", [((0, 3),), ((0, 1, 3),), ((0, 0, 3),), ((0, 1, 2), (0, 2, 3)), ()])
    def test_right(self, lod: Any) -> None:
        arranged = signature(VECTOR, WORDS).arrange(
            {"words": self.ROWS, "x": np.ones((1, 13), np.float32)}, {"words": lod}
        )
        assert arranged == Arranged(arranged.arrays, {1: lod})

    @pytest.mark.parametrize(
        "lod",
        [((1, 3),), ((0, 2),), ((0, 4),), ((0, 2, 1, 3),), ((0,),), ((),), ((0, 1), (0, 2, 3)), ((0, 2), (0, 2, 4))],
    )
    def test_wrong(self, lod: Any) -> None:
        with pytest.raises(BadInput, match=r"words\.lod level \d must rise from 0 to"):
            signature(WORDS).arrange({"words": self.ROWS}, {"words": lod})

    def test_long_offsets_are_not_printed_whole(self) -> None:
        with pytest.raises(BadInput, match=r"\.\.\.$") as caught:
            signature(WORDS).arrange({"words": self.ROWS}, {"words": (tuple(range(10000)),)})
        assert len(str(caught.value)) < 200

    def test_for_an_input_that_takes_none(self) -> None:
        with pytest.raises(BadInput, match="takes no sequence offsets"):
            signature(VECTOR).arrange({"x": np.ones((1, 13), np.float32)}, {"x": ((0, 1),)})

    def test_without_its_input(self) -> None:
        with pytest.raises(BadInput, match="came without input"):
            signature(WORDS).arrange({"words": self.ROWS}, {"other": ((0, 3),)})


@pytest.mark.parametrize(
    ("fetch", "chosen"),
    [
        ((), (0, 1)),
        (("o2",), (1,)),
        (("o2", "o1"), (1, 0)),
        (("o1_real",), (0,)),
        (("o1", "o1_real", "o1"), (0,)),
        (("nope", "o2"), (1,)),
        (("nope",), (0, 1)),
    ],
)
def test_select(fetch: tuple[str, ...], chosen: tuple[int, ...]) -> None:
    assert signature(VECTOR).select(fetch) == chosen


@pytest.mark.parametrize(
    ("inputs", "can_join"),
    [
        ((VECTOR,), True),
        ((VECTOR, IMAGE), True),
        ((VECTOR, WORDS), False),
        ((Input("x", "x", 1, (1, 13)),), False),
        ((Input("x", "x", 1, ()),), False),
    ],
)
def test_can_join(inputs: tuple[Input, ...], can_join: bool) -> None:
    assert signature(*inputs).can_join == can_join
