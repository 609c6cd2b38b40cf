"""`connect` and its asynchronous twin, against real servers: the same tests for both, and for each transport."""

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import connect, dtype
from paddle_serving_client.errors import (
    BadConfig,
    BadInput,
    BadPacket,
    Busy,
    DeadlineExceeded,
    NoMethod,
    NoService,
    ServingError,
    Unreachable,
)
from paddle_serving_client.message import Array
from paddle_serving_client.wire import kserve_json
from paddle_serving_client.wire.kserve import InferOutput, InferResponse
from tests import identity, models
from tests.client.asking import Asking
from tests.client.http_replay import Answer, Asked, http_replay
from tests.serving import Server, free_port, serve

FILE = "tests/server/service_files/for_connect.py"
TYPES = {
    row.name: code for code, row in dtype.ELEM_TYPES.items() if row.kserve and row.name not in ("bfloat16", "string")
}
Ask = Callable[..., Asking]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model that is not the first, one that gives back what it takes, and services with steps of their own."""
    folder = tmp_path_factory.mktemp("connect")
    every = identity.model(folder / "every", {**TYPES, "string": dtype.STRING})
    words = ("--model", str(models.multi(folder / "multi")), "--name", "multi", f"uci={models.uci(folder / 'uci')}")
    with serve(folder, *words, f"every={every}", "--service", FILE) as server:
        yield server


@pytest.fixture(params=["blocking", "asynchronous"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    made: list[Asking] = []

    def to(url: str, **options: Any) -> Asking:
        made.append(Asking(url, request.param == "asynchronous", **options))
        return made[-1]

    yield to
    for asking in made:
        asking.close()


@pytest.fixture(params=["rpc", "http"])
def client(request: pytest.FixtureRequest, server: Server, ask: Ask) -> Asking:
    return ask(server.url, has_rpc=request.param == "rpc")


# -- models


@pytest.mark.parametrize("given", [
    [{"x": models.UCI_INPUT}],
    {"x": models.UCI_INPUT.tolist()},
    {"x": models.UCI_INPUT[None]},
    [{"x": models.UCI_INPUT}, {"x": (2 * models.UCI_INPUT).tolist()}],
    {"x": np.stack([models.UCI_INPUT, 2 * models.UCI_INPUT])},
])  # fmt: skip
def test_instances_and_batches(client: Asking, given: Any) -> None:
    found = client("uci", given, fetch="price")
    two = np.stack([models.UCI_INPUT, 2 * models.UCI_INPUT])
    (price,) = found.values()
    np.testing.assert_allclose(price, models.uci_answer(two[: len(price)]), rtol=1e-5)
    assert len(price) == (2 if isinstance(given, list) and len(given) == 2 else len(np.atleast_2d(dict_of(given)["x"])))
    price[:] = 0  # it is the caller's own


def dict_of(given: Any) -> Any:
    return given if isinstance(given, dict) else given[0]


def test_a_model_is_asked_for_by_its_name_and_not_by_its_place(client: Asking) -> None:
    f, i64, i32 = np.eye(2, 3, dtype=np.float32), np.array([[3, -4], [2**62 + 1, 0]]), np.array([[1, 2], [3, 4]])
    found = client("multi", f=f, i64=i64, i32=i32, fetch=["o2", "o3"])
    _, o2, o3 = models.multi_answer(f, i64, i32)
    assert list(found) == ["o2", "o3"]
    np.testing.assert_array_equal(found["o2"], o2)
    np.testing.assert_array_equal(found["o3"], o3)
    assert client("uci", x=models.UCI_INPUT)["price"] == pytest.approx(models.UCI_PRICE)


def arrays(random: np.random.Generator) -> dict[str, Array]:
    """Any bits at all for each type, but that of a truth value there are two."""
    shape = (int(random.integers(1, 4)), int(random.integers(1, 5)))
    found: dict[str, Array] = {}
    for name, code in TYPES.items():
        kind = dtype.numpy_of(code)
        assert kind is not None
        raw = random.integers(0, 256, (*shape, kind.itemsize), np.uint8)
        found[name] = (raw[..., 0] > 127) if kind == np.bool_ else raw.view(kind)[..., 0].copy()
    special = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7e308]
    found["float64"].flat[0] = random.choice(special)
    with np.errstate(over="ignore"):
        found["float32"].flat[0] = np.float32(random.choice(special))
    found["int64"].flat[0] = random.choice([2**63 - 1, -(2**63), 2**53 + 1])
    found["uint64"].flat[0] = 2**64 - 1
    texts = ["".join(random.choice(list("aä\0\U0001f600"), 3)).encode() for _ in range(math.prod(shape))]
    found["string"] = np.array([*texts, None], object)[:-1].reshape(shape)
    return found


def test_every_value_of_every_type_comes_back_bit_by_bit(client: Asking) -> None:
    for seed in range(12):
        given = arrays(np.random.default_rng(seed))
        found = client("every", given)
        for name, array in given.items():
            came = found[f"{name}_out"]
            assert (came.dtype, came.shape) == (array.dtype, array.shape), name
            assert came.tolist() == array.tolist() if array.dtype == object else came.tobytes() == array.tobytes(), name


@pytest.mark.parametrize(("values", "text"), [
    ([True] * 13, "values of type bool"),
    ([True, *[0.5] * 12], "true or false among other values"),
    ([np.array([True]), np.array([0.5])], "true or false among other values"),
    (["1"] * 13, "got text"),
    ([None] * 13, "got null"),
    ([0.5] * 12, "axis 1 is 12, not 13"),
    ([[0.5] * 13, [0.5]], "lists of different lengths"),
    (np.zeros((13, 2)), "a batch has one more axis"),
    ([1e300] * 13, "which float32 cannot hold"),
])  # fmt: skip
def test_what_is_no_value_of_an_input_is_refused(client: Asking, values: Any, text: str) -> None:
    with pytest.raises(BadInput, match=text):
        client("uci", x=values)


def test_names_that_there_are_not(client: Asking) -> None:
    for given in ({"y": 1}, {"x": models.UCI_INPUT, "y": 1}, {}):
        with pytest.raises(BadInput, match="this model takes 'x'"):
            client("uci", given)
    with pytest.raises(BadInput, match="no output 'prize'; it has 'price'"):
        client("uci", x=models.UCI_INPUT, fetch="prize")
    with pytest.raises(BadInput, match="not with both"):
        client("uci", [{"x": 1}], x=1)
    with pytest.raises(BadInput, match="at least one dict"):
        client("uci", models.UCI_INPUT)
    with pytest.raises(NoService, match=r"no service 'nobody'; it has 'multi', 'uci'") as caught:
        client("nobody", x=1)
    assert caught.value.number == 3002


# -- services with steps


def test_json_says_what_was_sent_or_nothing(server: Server, ask: Ask) -> None:
    client = ask(server.url)
    sent = {
        "text": "a.jpg", "whole": 2**63 + 1, "small": -0.0, "single": np.float32(0.1), "list": [True, None, {"a": 1.5}],
        "array": np.arange(4, dtype=np.int64).reshape(2, 2) + 2**60, "truth": np.bool_(True),
    }  # fmt: skip
    (came,) = client("echo", sent, fetch=["a", "b"])["feed"]
    expected = {**sent, "single": float(np.float32(0.1)), "array": (np.arange(4).reshape(2, 2) + 2**60).tolist()}
    assert came == {**expected, "truth": True}
    assert math.copysign(1, came["small"]) == -1
    assert came["truth"] is True and type(came["whole"]) is int
    for value in (math.nan, np.array([math.inf]), b"bytes", Path("a"), {1: 2}, 1j, object(), 2**64, {"a": [set()]}):
        with pytest.raises(BadInput):
            client("echo", value=value)


def test_pictures_go_as_they_are(server: Server, ask: Ask, tmp_path: Path) -> None:
    client, file = ask(server.url), tmp_path / "a.jpg"
    file.write_bytes(b"\r\n--not a picture\xff")
    shown = [file.read_bytes().hex()]
    for given in (file, str(file), file.read_bytes()):
        assert client("picture", picture=given, fetch="boxes") == {"feed": [{"picture": shown}], "fetch": ["boxes"]}
    two = [{"picture": file, "language": "de"}, {"picture": b"2", "language": "de"}]
    assert client("picture", two)["feed"] == [
        {"picture": shown, "language": "de"}, {"picture": ["32"], "language": "de"}
    ]  # fmt: skip
    mixed = [{"picture": b"1", "angle": 90}, {"picture": b"2"}]
    assert client("picture", mixed)["feed"] == [{"picture": "MQ==", "angle": 90}, {"picture": "Mg=="}]
    with pytest.raises(BadInput, match=r"'nothing\.jpg' is no file"):
        client("picture", picture="nothing.jpg")
    with pytest.raises(BadInput, match="is no file; a picture is a file's name, or the bytes of such a file"):
        client("picture", picture="iVBOR" * 10_000)
    with pytest.raises(BadInput, match="takes a picture as 'picture'; 'image' came"):
        client("picture", image=file)


def test_pipelines(server: Server, ask: Ask) -> None:
    client = ask(server.url)
    found = client("doubled", text="ab", numbers=np.array([0.1, 2**53 + 1]))
    assert found == {"text": "abab", "numbers": str([0.1, float(2**53 + 1)])}
    with pytest.raises(ServingError, match="odd texts are not taken") as caught:
        client("doubled", text="odd")
    assert caught.value.number == 4242
    for value in (b"1", [True, 1.5], None):
        with pytest.raises(BadInput):
            client("doubled", text=value)


# -- answers in parts


def test_parts_come_when_they_are_made(server: Server, ask: Ask) -> None:
    client = ask(server.url)
    assert list(client.parts("parts", count=3)) == [0, 1, 2]
    assert client("parts", count=3) == [0, 1, 2]
    stream = client.parts("parts", count=1, sleep_s=30)
    assert next(stream) == 0
    stream.close()
    assert list(client.parts("echo", a=1)) == [{"feed": [{"a": 1}], "fetch": []}]


def test_an_error_behind_parts_comes_after_them(server: Server, ask: Ask) -> None:
    client, came = ask(server.url), []
    with pytest.raises(BadInput, match="no more of them"):
        for part in client.parts("parts", count=2, fails=True):
            came.append(part)
    assert came == [0, 1]
    with pytest.raises(DeadlineExceeded, match="no answer within 200 ms"):
        list(client.parts("parts", count=1, sleep_s=10, timeout=0.2))
    with pytest.raises(NoMethod, match="answers at once"):
        list(client.parts("uci", x=models.UCI_INPUT))


# -- errors, deadlines, retries


def test_an_error_has_the_class_and_the_number_that_it_has_at_the_server(server: Server, ask: Ask) -> None:
    client = ask(server.url, retries=5)
    with pytest.raises(ServingError, match="failed") as caught:
        client("parts", count="no number")
    assert caught.value.number == 9000
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        client("parts", count=0, sleep_s=10, timeout=0.2)
    assert time.monotonic() - begun < 3


def test_nobody_there(ask: Ask) -> None:
    port = free_port()
    for retries in (0, 2):
        with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port}: cannot connect: Connection refused"):
            ask(f"127.0.0.1:{port}", retries=retries)
    with pytest.raises(BadConfig, match="url not right"):
        ask("ftp://127.0.0.1:1")
    with pytest.raises(BadConfig, match="retries"):
        ask(f"127.0.0.1:{port}", retries=-1)


LISTED = b'{"services":[{"name":"s","kind":"json"},{"name":"m","kind":"numbers","takes_tensors":true,' \
         b'"inputs":[{"name":"x","dtype":"float32","shape":[-1,1]}],"outputs":[{"name":"y"}]}]}'  # fmt: skip


@contextlib.contextmanager
def answering(*answers: Answer | None) -> Iterator[list[Asked]]:
    """A server that says which services it has, and to calls so many answers, the last of them again and again."""
    calls: list[Asked] = []

    def behave(asked: Asked) -> Answer | None:
        if asked.path == "/services":
            return Answer(LISTED)
        calls.append(asked)
        return answers[min(len(calls), len(answers)) - 1]

    with http_replay(behave) as server:
        calls_of[id(calls)] = server.endpoint
        yield calls


calls_of: dict[int, str] = {}
DONE = Answer(b'{"result":1}')
BUSY = Answer(b'{"err_no":8000,"err_msg":"full"}', 503, {"Retry-After": "0"})


@pytest.mark.parametrize(("answers", "count"), [((None, DONE), 2), ((BUSY, BUSY, DONE), 3)])
def test_what_may_be_tried_again_is(ask: Ask, answers: tuple[Answer | None, ...], count: int) -> None:
    with answering(*answers) as calls:
        assert ask(calls_of[id(calls)])("s", a=1) == 1
        assert len(calls) == count


@pytest.mark.parametrize(("answer", "error", "count"), [
    (None, Unreachable, 4),  # the first on the connection that was kept: it may have been closed before
    (BUSY, Busy, 3),
    (Answer(BUSY.body, 503, {"Retry-After": "30"}), Busy, 1),
    (Answer(b'{"err_no":9000,"err_msg":"lost"}', 503, {"Retry-After": "0"}), ServingError, 1),
    (Answer(b"short", headers={"Content-Length": "9"}, closes=True), Unreachable, 1),
    (Answer(b"{}"), BadPacket, 1),
    (Answer(b"", 502), ServingError, 3),
])  # fmt: skip
def test_what_may_not_is_not(ask: Ask, answer: Answer | None, error: type[ServingError], count: int) -> None:
    with answering(answer) as calls:
        client = ask(calls_of[id(calls)], timeout=20)
        with pytest.raises(error):
            client("s", a=1)
        assert len(calls) == count


def test_where_rpc_does_not_pass_models_are_asked_over_http(ask: Ask) -> None:
    """A server of HTTP waits for the end of a line that RPC does not have."""
    told = kserve_json.encode_response(
        InferResponse(model="m", version="1", outputs=(InferOutput("y", np.array([[math.nan]], np.float32), True),))
    )
    headers = {"Inference-Header-Content-Length": str(told.header_length)}
    with answering(Answer(told.body, headers=headers)) as calls:
        client = ask(calls_of[id(calls)], timeout=1)
        for _ in range(3):
            assert np.isnan(client("m", x=1.5)["y"]).all()
        assert [asked.path for asked in calls] == ["/v2/models/m/infer"] * 3


# -- a server that comes and goes


def test_a_server_that_is_started_anew_with_other_services(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uci, other, port = models.uci(tmp_path / "uci"), models.uci(tmp_path / "b", weights=-models.UCI_W), free_port()
    monkeypatch.setattr("tests.serving.free_port", lambda: port)
    with serve(tmp_path, f"uci={uci}") as server:
        client = ask(server.url)
        assert client("uci", x=models.UCI_INPUT)["price"] == pytest.approx(models.UCI_PRICE)
    with serve(tmp_path, f"first={other}", f"uci={uci}"):
        assert client("uci", x=models.UCI_INPUT)["price"] == pytest.approx(models.UCI_PRICE)
        assert client("first", x=models.UCI_INPUT)["price"] == pytest.approx(2 * 22.738298 - models.UCI_PRICE, rel=1e-4)
    with serve(tmp_path, f"uci={models.multi(tmp_path / 'multi')}"):
        time.sleep(1.1)  # what was read so lately is not read again
        assert client("uci", f=[1, 2, 3], i64=[1, 2], i32=[3, 4], fetch="o3")["o3"].tolist() == [[2, 3]]
        with pytest.raises(NoService, match="no service 'first'"):
            client("first", x=models.UCI_INPUT)
    with pytest.raises(Unreachable):
        client("uci", f=[1, 2, 3], i64=[1, 2], i32=[3, 4])


# -- the blocking client


def test_a_client_shows_what_there_is(server: Server) -> None:
    with connect(server.url) as client:
        assert "uci(x: float32[-1, 13]) -> price: float32[1]" in repr(client)
        assert repr(client.picture) == "<service picture(picture: image) -> ...>"
        assert {"uci", "echo", "services", "close"} <= set(dir(client))
        assert list(client) == list(client.services) and "uci" in client and len(client) == 7
        description = client.services["uci"]
        assert (description.takes_tensors, description.inputs[0].shape) == (True, (-1, 13))
        with pytest.raises(AttributeError, match="no service 'nobody'"):
            client.nobody  # noqa: B018
        assert not hasattr(client, "__deepcopy__")


def test_threads_share_a_client(server: Server) -> None:
    with connect(server.url) as client:

        def work(seed: int) -> None:
            random = np.random.default_rng(seed)
            for rows in (1, 60, 3, 7):
                x = random.random((rows, 13), np.float32)
                np.testing.assert_allclose(client.uci(x=x)["price"], models.uci_answer(x), rtol=1e-4, atol=1e-4)
                assert client.echo(seed=seed)["feed"] == [{"seed": seed}]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_child_has_connections_of_its_own(server: Server) -> None:
    with connect(server.url) as client:
        client.uci(x=models.UCI_INPUT)
        child = os.fork()
        if child == 0:
            try:
                is_right = all(client.uci(x=k * models.UCI_INPUT)["price"].size == 1 for k in range(20))
                os._exit(0 if is_right else 1)
            finally:
                os._exit(2)
        for k in range(20):
            expected = models.uci_answer([k * models.UCI_INPUT])
            np.testing.assert_allclose(client.uci(x=k * models.UCI_INPUT)["price"], expected, rtol=1e-4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nothing_is_left_open(server: Server) -> None:
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        with connect(server.url) as client:
            client.uci(x=models.UCI_INPUT)
            stream = client.parts.stream(count=2)
            next(stream)
            stream.close()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (before, threads)
