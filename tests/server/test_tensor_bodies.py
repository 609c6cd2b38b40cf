"""A tensor as a body: .npy files and bare bytes in, .npy files out, JSON with many numbers; on a real server."""

import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_client.message import Array
from tests.serving import Server, serve

HOUSE = np.linspace(-1, 1, 13, dtype=np.float32)


@pytest.fixture(scope="module")
def server(uci_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("tensors"), "--model", str(uci_folder), "--name", "uci") as running:
        yield running


def post(server: Server, body: bytes, kind: str, query: str = "", **headers: str) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", f"/uci/prediction{query}", body, {"Content-Type": kind, **headers})
    reply = connection.getresponse()
    answer = reply.status, reply.read(), reply.headers["Content-Type"]
    connection.close()
    return answer


def npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=array.dtype.hasobject)
    return file.getvalue()


def prices(server: Server, rows: Array) -> list[list[float]]:
    body = json.dumps({"feed": [{"x": row.tolist()} for row in rows], "fetch": ["price"]}).encode()
    status, answer, _ = post(server, body, "application/json")
    assert status == 200, answer
    found: list[list[float]] = json.loads(answer)["result"]["price"]
    return found


def test_every_form_gets_the_same_answer(server: Server) -> None:
    rows = np.stack([HOUSE, HOUSE[::-1]])
    expected = prices(server, rows)
    for body, kind, query in (
        (npy(rows), "application/x-npy", ""),
        (npy(np.asfortranarray(rows)), "application/x-npy", ""),
        (npy(rows.astype(">f4")), "application/npy", "?input=x"),
        (rows.tobytes(), "application/octet-stream", ""),
        (rows.tobytes(), "application/octet-stream", "?shape=2,13"),
    ):
        status, answer, _ = post(server, body, kind, query)
        assert (status, json.loads(answer)) == (200, {"result": {"price": expected}}), (kind, query)


def test_an_answer_as_npy(server: Server) -> None:
    status, answer, kind = post(
        server, npy(HOUSE[None]), "application/x-npy", "?fetch=price", Accept="application/x-npy"
    )
    assert (status, kind) == (200, "application/x-npy")
    assert np.load(io.BytesIO(answer), allow_pickle=False).tolist() == prices(server, HOUSE[None])


def test_many_rows_in_json(server: Server) -> None:
    rows = np.random.default_rng(1).random((500, 13), np.float32)
    assert np.shape(prices(server, rows)) == (500, 1)
    assert prices(server, rows)[7] == pytest.approx(prices(server, rows[7:8])[0], rel=1e-5)


def header(text: bytes, values: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("body", "kind", "query", "says"),
    [
        (npy(np.array([Evil()], object)), "application/x-npy", "", "objects never"),
        (npy(HOUSE[None])[:-1], "application/x-npy", "", "are there"),
        (npy(HOUSE[None]) + b"x", "application/x-npy", "", "are there"),
        (b"NUMPY", "application/x-npy", "", "numpy.save"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 9000, "application/x-npy", "", "header"),
        (b"\x93NUMPY\x09\x00", "application/x-npy", "", "header"),
        (header(b"-" * 4000 + b"1"), "application/x-npy", "", "header"),
        (header(b"(" * 4000), "application/x-npy", "", "header"),
        (
            header(b"{'descr': '|S0', 'fortran_order': False, 'shape': (5, 13), }"),
            "application/x-npy",
            "",
            "arrays of numbers",
        ),
        (header(b"{'descr': '(2,3)<f4', 'fortran_order': False, 'shape': (1,), }"), "application/x-npy", "", "header"),
        (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 13), }"), "application/x-npy", "", "header"),
        (header(b"{'descr': '<f3', 'fortran_order': False, 'shape': (1, 13), }"), "application/x-npy", "", "header"),
        (
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (0, %d), }" % 10**19),
            "application/x-npy",
            "",
            "cannot be",
        ),
        (npy(HOUSE[None].astype(np.float64)), "application/x-npy", "", "float32"),
        (npy(HOUSE), "application/x-npy", "", "axes"),
        (HOUSE.tobytes()[:-1], "application/octet-stream", "", "no whole number"),
        (HOUSE.tobytes()[:-4], "application/octet-stream", "", "12 values came"),
        (HOUSE.tobytes(), "application/octet-stream", "?shape=2,13", "13 values came"),
        (HOUSE.tobytes(), "application/octet-stream", "?shape=-1,13", "shape must be"),
        (b"", "application/octet-stream", "", "empty"),
        (npy(HOUSE[None]), "application/x-npy", "?input=y", "unknown input 'y'"),
    ],
)
def test_a_bad_body_gets_a_reason(server: Server, body: bytes, kind: str, query: str, says: str) -> None:
    status, answer, _ = post(server, body, kind, query)
    assert status == 400
    assert says in json.loads(answer)["err_msg"]
    assert prices(server, HOUSE[None])
