"""Forms: whatever is in a file comes back, and half a form is none; the cases are in `test_http_messages`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket, ServingError
from paddle_serving_server.protocols.http.form import read_form

TYPE = 'Multipart/Form-Data; charset=utf-8; Boundary="b+()"'
_HARD = st.lists(st.sampled_from([b"\r\n", b"--b+()", b"--b+()x", b"--", b"\r", b"\n", b":", b" ", b"\0"]), max_size=8)


@given(st.lists(st.one_of(st.binary(max_size=20), _HARD.map(b"".join)), min_size=1, max_size=16), st.data())
def test_files_come_back_and_a_cut_is_seen(files: list[bytes], data: st.DataObject) -> None:
    files = [b"x" + file.replace(b"\r\n--b+()", b"\r\n--b+(") for file in files]
    parts = [b'--b+()\r\nContent-Disposition: form-data; name=f; filename="x"\r\n\r\n%b\r\n' % file for file in files]
    body = b"".join(parts) + b"--b+()--"
    assert read_form(TYPE, body).files == files
    with pytest.raises(BadPacket):
        read_form(TYPE, body[: data.draw(st.integers(0, len(body) - 1))])


_LINES = st.sampled_from(
    [b"--b+()", b"--b+()--", b"Content-Disposition: form-data; name=a", b'; filename="', b'"', b";", b"*=utf-8''%"]
)


@given(st.lists(st.one_of(_LINES, st.just(b"\r\n")), max_size=20).map(b"".join), st.text(max_size=10))
def test_any_lines_are_a_form_or_refused(body: bytes, more: str) -> None:
    for content_type in (TYPE, "multipart/form-data; boundary=" + more):
        try:
            read_form(content_type, body)
        except ServingError as exc:
            assert str(exc)
