"""Arrays as numpy.save writes them: read as numpy reads them, or refused with words, and nothing else."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import npy


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def headed(text: bytes, values: bytes = bytes(8)) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + values


@pytest.mark.parametrize("kind", ["<f4", ">f4", "|b1", "|i1", "|u1", "<i8", ">u2", "<f2", "<f8"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4), (1,) * 16])
def test_what_numpy_writes_is_read(kind: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, kind)
    for written in (array, np.asfortranarray(array)):
        read = npy.view(saved(written), "it")
        assert read.dtype == written.dtype
        np.testing.assert_array_equal(read, written)


@pytest.mark.parametrize(
    ("descr", "order", "shape", "words"),
    [
        (b"'<04'", b"False", b"(2,)", "no array in the format"),
        (b"'04'", b"False", b"(2,)", "no array in the format"),
        (b"'<f04'", b"False", b"(2,)", "no array in the format"),
        (b"'float32'", b"False", b"(2,)", "no array in the format"),
        (b"'2f4'", b"False", b"(1,)", "no array in the format"),
        (b"'<a4'", b"False", b"(2,)", "no array in the format"),
        (b"'<f3'", b"False", b"(2,)", "no array in the format"),
        (b"'<f9999999'", b"False", b"(2,)", "no array in the format"),
        (b"True", b"False", b"(2,)", "no array in the format"),
        (b"(04,)", b"False", b"(2,)", "no array in the format"),
        (b"'<f4'", b"'<f4'", b"(2,)", "no array in the format"),
        (b"'<f4'", b"False", b"'f2'", "no array in the format"),
        (b"'<f4'", b"False", b"(1 2)", "no array in the format"),
        (b"'<f4'", b"False", b"(2,), 'shape': (2,)", "no array in the format"),
        (b"'<f4'", b"False", b"(" + b"9" * 20 + b",)", "8 are there"),
        (b"'|O'", b"False", b"(1,)", "objects never"),
        (b"'<U'", b"False", b"(1,)", "objects never"),
        (b"'<c8'", b"False", b"(1,)", "objects never"),
        (b"'<M8'", b"False", b"(1,)", "objects never"),
    ],
)
def test_other_headers_are_refused(descr: bytes, order: bytes, shape: bytes, words: str) -> None:
    head = b"{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n" % (descr, order, shape)
    with pytest.raises(BadPacket, match=words):
        npy.view(headed(head), "it")


_WORD = st.text("<>|=?fiubUOSV0123456789()L, TrueFals'", max_size=8).map(str.encode)


@given(_WORD, _WORD, _WORD, st.binary(max_size=16))
def test_any_header_is_read_or_refused(descr: bytes, order: bytes, shape: bytes, values: bytes) -> None:
    head = b"{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }" % (descr, order or b"False", shape)
    for kinds in ("biuf", "biufU"):
        try:
            npy.view(headed(head, values), "it", kinds)
        except BadPacket as exc:
            assert str(exc).startswith("it ")
