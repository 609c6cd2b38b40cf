"""The stress command against a real server, and against servers that misbehave."""

import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire import brpc
from paddle_serving_server.commands import bench
from paddle_serving_server.commands.load import generator, request, sweep
from paddle_serving_server.commands.load.amount import Load
from paddle_serving_server.commands.load.display import Display, summary
from paddle_serving_server.commands.load.replies import BadReply, BrpcReplies, HttpReplies, Replies, Reply
from paddle_serving_server.commands.load.request import Target
from paddle_serving_server.commands.load.sweep import Plan, Run, Setting, Tried
from paddle_serving_server.commands.load.tally import Latency, Result, Tally
from tests.models import UCI_INPUT
from tests.rpc_frames import response_frame
from tests.serving import ROOT, Server, free_port

GOOD = json.dumps({"feed": [{"x": UCI_INPUT.tolist()}], "fetch": ["price"]})
BAD = json.dumps({"feed": [{"x": [1, 2]}]})
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A body that is answered."""
    file = tmp_path / "good.json"
    file.write_text(GOOD)
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A body that is refused."""
    file = tmp_path / "bad.json"
    file.write_text(BAD)
    return file


def url(server: Server) -> str:
    return f"{server.url}/uci/prediction"


def measured(tmp_path: Path, *words: object) -> tuple[int, dict[str, object]]:
    """The exit status, and the figures."""
    out = tmp_path / "out.json"
    quick = ("--seconds", "0.5", "--warmup_s", "0.1", "--json_out", str(out))
    status = bench.main([*map(str, words), *quick])
    return status, json.loads(out.read_text())


# -- a real server


def test_figures_are_plausible(uci_server: Server, good: Path, tmp_path: Path) -> None:
    status, said = measured(tmp_path, url(uci_server), "--json", good, "--clients", 4)
    assert status == 0
    answers, rate, latency = said["answers"], said["rate"], said["latency_ms"]
    assert isinstance(answers, int)
    assert isinstance(rate, float)
    assert isinstance(latency, dict)
    assert answers > 20
    assert rate == pytest.approx(answers / 0.5, rel=0.1)
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert 4000 / rate == pytest.approx(latency["mean"], rel=0.3)  # four clients, one request each
    assert said["errors"] == {}
    assert said["sent_bytes"] == pytest.approx(
        answers * len(Target("127.0.0.1", 9393).post(GOOD.encode(), "x")), rel=0.3
    )


@pytest.mark.parametrize("words", [["--brpc"], []])
def test_what_to_send_is_asked_of_the_server(uci_server: Server, tmp_path: Path, words: list[str]) -> None:
    if not words:  # a model without a service file has no example
        assert bench.main([url(uci_server)]) == bench.EXIT_BAD_USE
        return
    status, said = measured(tmp_path, url(uci_server), *words)
    assert (status, said["errors"]) == (0, {})


def test_rpc_with_tensors_of_a_file(uci_server: Server, tmp_path: Path) -> None:
    call = {"tensor": [{"name": "x", "elem_type": 1, "shape": [1, 13], "float_data": UCI_INPUT.tolist()}]}
    (tmp_path / "call.json").write_text(json.dumps(call))
    status, said = measured(tmp_path, uci_server.url, "--brpc", tmp_path / "call.json")
    assert (status, said["errors"]) == (0, {})
    call["tensor"][0]["shape"] = [13, 1]
    (tmp_path / "call.json").write_text(json.dumps(call))
    status, said = measured(tmp_path, uci_server.url, "--brpc", tmp_path / "call.json")
    assert status == bench.EXIT_NO_ANSWER
    assert [error for error in said["errors"] if error.startswith("1003 ")]  # type: ignore[attr-defined]


def test_errors_are_counted_by_what_they_say(
    uci_server: Server, good: Path, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = measured(tmp_path, url(uci_server), "--json", good, bad, "--clients", 2)
    assert status == bench.EXIT_ERRORS
    ((error, count),) = said["errors"].items()  # type: ignore[attr-defined]
    assert error.startswith("400 5000 feed[0]: input 'x' must be")
    assert count == pytest.approx(said["answers"], abs=4)
    assert f"{count:>7}  {error}" in capsys.readouterr().out


def test_nothing_but_errors(uci_server: Server, bad: Path, tmp_path: Path) -> None:
    status, said = measured(tmp_path, url(uci_server), "--json", bad)
    assert (status, said["answers"], said["latency_ms"]) == (bench.EXIT_NO_ANSWER, 0, None)


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
def test_the_open_loop_keeps_its_rate(uci_server: Server, good: Path, tmp_path: Path, arrivals: str) -> None:
    words = (url(uci_server), "--json", good, "--rate", 100, "--arrivals", arrivals)
    status, said = measured(tmp_path, *words)
    assert status == 0
    assert said["rate"] == pytest.approx(100, rel=0.1 if arrivals == "even" else 0.5)


def test_the_command_prints_a_line_each_second(uci_server: Server, good: Path) -> None:
    command = [sys.executable, "-m", "paddle_serving_server.bench", url(uci_server), "--json", str(good)]
    done = subprocess.run([*command, "--seconds", "1", "--warmup_s", "0"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("   1.0 s ")
    assert [line.split()[0] for line in lines[2:]] == ["rate", "latency", "answers", "bytes", "errors", "bench"]


def test_a_sweep_starts_servers_and_says_what_to_use(
    uci_folder: Path, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--batch_infer_size", 1, 8, "--batch_wait_ms", 0, "--fronts", 1, "--clients", 2, "--target_p99_ms", 5000)
    status, said = measured(tmp_path, "--sweep", "--model", uci_folder, "--json", good, *few)
    assert status == 0
    assert said["best"] is not None
    assert len(said["runs"]) == 2  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert "Use --batch_infer_size" in out
    assert "Batches up to" in out


# -- what cannot be


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "say where to"),
        (["https://127.0.0.1:1/x"], "only http://"),
        (["http://127.0.0.1:99999/x"], "the port is no number"),
        (["http://127.0.0.1:1/x", "--json", "no.json"], "no.json: No such file"),
        (["http://127.0.0.1:1/x", "--clients", "0", "--json", "x"], "--clients must be from 1 to 10000, got 0"),
        (["http://127.0.0.1:1/x", "--seconds", "0"], "--seconds must be from 0.1"),
        (["http://127.0.0.1:1/x", "--rate", "-1"], "--rate must be from"),
        (["http://127.0.0.1:1/x", "--field", "image"], "--field belongs to --image"),
        (["http://127.0.0.1:1/x", "--header", "no colon"], "--header must be 'Name: value'"),
        (["http://127.0.0.1:1/x", "--header", "A: b\r\nC: d"], "--header must be 'Name: value'"),
        (["http://127.0.0.1:1/x", "--target_p99_ms", "5"], "--target_p99_ms belongs to --sweep"),
        (["http://127.0.0.1:1/x", "--", "--fronts", "2"], "what stands behind -- is for"),
        (["http://127.0.0.1:1/x"], "does not answer GET /services"),
        (["--sweep"], "--sweep starts the server itself"),
        (["--sweep", "--model", "x", "http://127.0.0.1:1/x"], "say only the path"),
        (["--sweep", "--model", "x", "--rate", "5"], "--sweep finds the rate"),
        (["--sweep", "--model", "x", "--batch_infer_size", "0"], "--batch_infer_size must be at least 1, got 0"),
        (["--sweep", "--model", "x", "--target_p99_ms", "0"], "--target_p99_ms must be more than 0"),
        (["--sweep", "--model", "no_such_folder"], "no_such_folder: there is no such file or folder"),
    ],
)
def test_wrong_use_is_explained_in_a_line(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(words) == bench.EXIT_BAD_USE
    said = capsys.readouterr().err
    assert said.startswith("bench: ")
    assert text in said
    assert said.count("\n") == 1


def test_files_that_cannot_be_sent(tmp_path: Path) -> None:
    target = Target("127.0.0.1", 1)
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("{")
    with pytest.raises(BadConfig, match="is empty"):
        request.of_images(target, [tmp_path / "empty"])
    with pytest.raises(BadConfig, match="is not JSON"):
        request.of_json(target, [tmp_path / "text"])
    with pytest.raises(BadConfig, match="text: "):
        request.of_tensors(target, tmp_path / "text")


def test_a_picture_as_it_is_and_in_a_form(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"picture")
    target = Target.parse("[::1]:9393/x?fetch=a")
    plain, form = (request.of_images(target, [file], field).requests[0] for field in ("", "image"))
    assert plain.startswith(b"POST /x?fetch=a HTTP/1.1\r\nHost: [::1]:9393\r\nContent-Type: image/jpeg\r\n")
    assert plain.endswith(b"Content-Length: 7\r\n\r\npicture")
    assert b'name="image"; filename="picture"\r\nContent-Type: image/jpeg\r\n\r\npicture\r\n--' in form


# -- servers that misbehave


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], Target]]:
    """Starts a server of one's own: a function for each connection, in a thread."""
    sockets: list[socket.socket] = []

    def start(serve: Callable[[socket.socket], None]) -> Target:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=quietly, args=(connection,), daemon=True).start()

        def quietly(connection: socket.socket) -> None:
            with connection:
                try:
                    serve(connection)
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        return Target("127.0.0.1", listener.getsockname()[1], "/x")

    yield start
    for listener in sockets:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


Listening = Callable[[Callable[[socket.socket], None]], Target]


def short_run(target: Target, **how: object) -> Result:
    payload = request.Payload((target.post(b"{}", "application/json"),), HttpReplies, "nothing")
    return generator.run(target, payload, Load(**{"seconds": 0.4, "warmup_s": 0, "clients": 2, **how}))  # type: ignore[arg-type]


def test_nobody_listens(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([f"http://127.0.0.1:{free_port()}/x", "--json", str(good)]) == bench.EXIT_NO_ANSWER
    assert "connection refused" in capsys.readouterr().err


def test_a_server_that_hangs_up(listening: Listening) -> None:
    result = short_run(listening(lambda connection: void(connection.recv(9999))))
    assert not result.answers
    assert set(result.errors) <= {"closed by the server without a whole answer", "connection reset by peer"}
    assert result.errors


def test_a_server_that_closes_after_each_answer(listening: Listening) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(ANSWER.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n", 1))

    result = short_run(listening(serve))
    assert result.answers > 5
    assert not result.errors


def test_a_server_that_never_answers(listening: Listening) -> None:
    result = short_run(listening(lambda connection: time.sleep(2)), timeout_s=0.05)
    assert list(result.errors) == ["no answer within 0.05 s"]


def test_a_server_that_speaks_something_else(listening: Listening) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(b"SSH-2.0-x\r\n")
        connection.recv(9999)

    ((error, _),) = short_run(listening(serve)).errors.items()
    assert error.startswith("not HTTP: ")


def test_the_open_loop_sees_a_stall_that_the_closed_loop_hides(listening: Listening) -> None:
    def stalls_once() -> Callable[[socket.socket], None]:
        started = time.monotonic()

        def serve(connection: socket.socket) -> None:
            while connection.recv(9999):
                if 0.1 < time.monotonic() - started < 0.3:
                    time.sleep(0.2)
                connection.sendall(ANSWER)

        return serve

    closed = short_run(listening(stalls_once()), clients=1)
    opened = short_run(listening(stalls_once()), clients=1, rate=200.0, arrivals="even")
    assert closed.latency is not None
    assert opened.latency is not None
    assert closed.latency.p90 < 0.05 < opened.latency.p90
    assert opened.latency.max == pytest.approx(0.2, abs=0.1)


def test_answers_that_are_still_due_are_told(listening: Listening) -> None:
    result = short_run(listening(lambda connection: time.sleep(2)), rate=50.0, clients=1)
    assert result.waiting == pytest.approx(20, abs=12)
    assert result.oldest_s == pytest.approx(0.4, abs=0.2)
    assert f"waiting  {result.waiting} without an answer" in summary(result)


def void(_: object) -> None:
    """Take a value and do nothing."""


# -- answers in pieces


def fed(replies: Replies, data: bytes, size: int) -> list[Reply]:
    """What comes out, fed in pieces of `size` bytes."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [reply for piece in pieces if (reply := replies.feed(piece)) is not None]


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (ANSWER, Reply("", True)),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER, Reply("", True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n", Reply("", True)),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", Reply("", False)),
        (b'HTTP/1.1 422 X\r\nContent-Length: 16\r\n\r\n{"detail": "no"}', Reply("422 no", True)),
        (b"HTTP/1.1 503 X\r\nContent-Length: 8\r\n\r\nbusy\nxyz", Reply("503 busy", True)),
        (b'HTTP/1.1 400 X\r\nContent-Length: 29\r\n\r\n{"err_no":5,"err_msg":"a\\nb"}', Reply("400 5 a b", True)),
    ],
)
def test_http_answers_are_read_however_they_are_cut(data: bytes, reply: Reply) -> None:
    for size in (*range(1, 8), len(data)):
        assert fed(HttpReplies(), data, size) == [reply]


def test_frames_are_read_however_they_are_cut() -> None:
    good, failed = response_frame(1, b"payload"), brpc.error_frame(1, 1003, "no")
    for size in (1, 3, 12, 13, 1000):
        replies = BrpcReplies()
        assert [fed(replies, frame, size) for frame in (good, failed, good)] == [
            [Reply("", True)],
            [Reply("1003 no", True)],
            [Reply("", True)],
        ]


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK", response_frame(1, b"x") * 2])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadReply):
        BrpcReplies().feed(data)


# -- figures


def test_percentiles_are_exact_to_half_a_percent() -> None:
    seconds = np.random.default_rng(1).lognormal(-6, 1, 20_000)
    tally = Tally()
    tally.start(0.0, 0.0)
    for k, part in enumerate(np.split(seconds, 4)):
        tally.latencies.extend(part)
        tally.end_second(k + 1.0)
    result = tally.result(4.0, 1.0)
    assert result.latency is not None
    for name, share in (("p50", 50), ("p90", 90), ("p99", 99)):
        assert getattr(result.latency, name) == pytest.approx(np.percentile(seconds, share), rel=0.006)
    assert result.latency.max == seconds.max()
    assert result.latency.mean == pytest.approx(seconds.mean())
    assert (result.rate, result.deviation, result.cpu) == (5000.0, 0.0, 0.25)


def test_a_busy_generator_says_so() -> None:
    assert "It may be the limit itself" in summary(result_of(1000, 0.001, cpu=0.95))


def test_kinds_of_errors_are_limited() -> None:
    tally = Tally()
    for k in range(1000):
        tally.fail(f"error {k}")
    assert len(tally.result(1.0, 0.0).errors) == 51


def test_a_terminal_has_one_line_that_changes() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    tally = Tally()
    for k in range(2):
        Display(out).second(tally.end_second(k + 1.0))
    assert out.getvalue().count("\r\x1b[K") == 2
    assert "\n" not in out.getvalue()


# -- the advice of a sweep


def result_of(answers: int, p99_s: float, cpu: float = 0.0) -> Result:
    latency = Latency(p99_s / 2, p99_s / 2, p99_s, p99_s, p99_s / 2)
    return Result(
        seconds=1.0,
        answers=answers,
        errors={},
        rates=(),
        latency=latency,
        sent_bytes=0,
        received_bytes=0,
        cpu=cpu,
    )


def tried(batch: int, wait_ms: float, fronts: int, *rates: tuple[int, int, float]) -> Tried:
    """A setting with (clients, answers per second, p99 in seconds)."""
    runs = tuple(Run(clients, result_of(answers, p99_s)) for clients, answers, p99_s in rates)
    return Tried(Setting(fronts, wait_ms, batch), runs)


def plan(target_p99_s: float | None) -> Plan:
    return Plan(
        served=sweep.started((), ""),
        payload=lambda target: request.Payload((b"",), HttpReplies, ""),
        load=Load(),
        clients=(1, 4, 16),
        batches=(1, 8),
        waits_ms=(0.0,),
        fronts=(1,),
        target_p99_s=target_p99_s,
    )


FOUND = [
    tried(1, 0.0, 1, (1, 100, 0.01), (4, 110, 0.04)),
    tried(8, 0.0, 1, (1, 90, 0.012), (4, 200, 0.03), (16, 400, 0.2)),
    tried(8, 2.0, 1, (1, 50, 0.02), (4, 204, 0.03)),
    tried(8, 0.0, 2, (1, 20, 0.9)),
]


@pytest.mark.parametrize(
    ("target", "batch", "text"),
    [
        (0.05, 8, "with 4 clients, p50 15.0 ms, p99 30.0 ms"),
        (0.05, 8, "Batches up to 1: -45%"),
        (0.05, 8, "Waiting 2 ms: +2%"),
        (0.05, 8, "2 fronts: no answers within 50.0 ms"),
        (0.011, 1, "Batches up to 8: no answers within 11.0 ms"),
        (None, 8, "It answers 400 a second with 16 clients"),
        (None, 8, "More than 16 clients were not tried"),
    ],
)
def test_the_advice_has_reasons(target: float | None, batch: int, text: str) -> None:
    said = sweep.advice(plan(target), FOUND)
    assert f"Use --batch_infer_size {batch} --batch_wait_ms 0 --fronts 1" in said
    assert text in said


def test_a_target_that_nothing_keeps() -> None:
    assert sweep.best(plan(0.001), FOUND) is None
    assert "No setting keeps 99 of 100 answers within 1.00 ms. The quickest is batch 1" in sweep.advice(
        plan(0.001), FOUND
    )
