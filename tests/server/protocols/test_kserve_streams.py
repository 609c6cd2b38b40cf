"""`ModelStreamInfer` beside a real Triton's recorded answers, without a socket: order, errors, parts, back pressure."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from paddle_serving_client.wire import kserve, reflection
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.dataplane.kserve_streams import MOST_AT_ONCE
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from tests import models
from tests.data import triton
from tests.server.catalogues import catalogue_of
from tests.server.protocols.grpc_line import Line, plane_of

PATH = "/inference.GRPCInferenceService/ModelStreamInfer"
A, B = np.arange(16, dtype=np.int32)[None], np.ones((1, 16), np.int32)


class Repeat(WebService):
    """Gives each value of its input by itself; waits where it is told to."""

    gate = threading.Event()
    closed = threading.Event()

    def preprocess(self, feed=(), fetch=()):  # type: ignore[no-untyped-def]
        return {"INPUT0": A, "INPUT1": B}, fetch, True

    def postprocess(self, feed=(), fetch=(), fetch_map=None):  # type: ignore[no-untyped-def]
        self.closed.clear()
        try:
            for k, value in enumerate(feed[0]["IN"]):
                if value == -1:
                    raise RuntimeError("for the log")
                if value == -2:
                    self.gate.wait(10)
                yield {"OUT": np.array([value], np.int32), "IDX": np.array([k], np.uint32)}
        finally:
            self.closed.set()


class Talk(WebService):
    """Needs no model, and gives whatever JSON can say."""

    PARTS: tuple[Any, ...] = ("text", 1.5, [1, 2.5], {"a": [True, False], "b": None, "c": [["x", "y"]]}, [], [True, 2])

    def bind(self, engines, threads):  # type: ignore[no-untyped-def]
        super().bind({}, threads)

    def preprocess(self, feed=(), fetch=()):  # type: ignore[no-untyped-def]
        return {}, fetch, False

    def postprocess(self, feed=(), fetch=(), fetch_map=None):  # type: ignore[no-untyped-def]
        yield feed
        yield from self.PARTS


class Slow(WebService):
    """Its tensors say how long to wait, in milliseconds."""

    running = most = 0

    async def infer(self, request):  # type: ignore[no-untyped-def]
        self.running += 1
        type(self).most = max(self.most, self.running)
        await asyncio.sleep(float(request.tensors["INPUT0"][0, 0]) / 1000)
        self.running -= 1
        return await super().infer(request)


def _messages() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in reflection.file_of("inference.GRPCInferenceService"):
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))

    def found(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))

    return found


Ask, Answer = _messages()("ModelInferRequest"), _messages()("ModelStreamInferResponse")


def request(model: str, request_id: str, parameters: Any = None, **inputs: Any) -> bytes:
    made = Ask(model_name=model, id=request_id)
    for name, value in (parameters or {}).items():
        made.parameters[name].bool_param = value
    for name, array in inputs.items():
        made.inputs.add(name=name, datatype=kserve.datatype_of_array(array), shape=array.shape)
        made.raw_input_contents.append(bytes(kserve.pack(array)))
    return bytes(made.SerializeToString())


def simple(request_id: str, model: str = "simple", a: Any = A) -> bytes:
    return request(model, request_id, INPUT0=a, INPUT1=B)


def repeat(values: list[int], request_id: str = "r", **parameters: bool) -> bytes:
    return request("repeat_int32", request_id, parameters, IN=np.array([values], np.int32))


def answers(line: Line, number: int) -> list[Any]:
    return [Answer.FromString(message) for message in line.messages(number)]


def as_recorded(answer: Any) -> dict[str, Any]:
    said = json_format.MessageToDict(answer.infer_response, preserving_proto_field_name=True)
    return {"error_message": answer.error_message, "json": said}


Scene = Callable[[Line], Awaitable[None]]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Scene], Catalogue]]:
    with asyncio.Runner() as runner:
        folder = models.simple(tmp_path_factory.mktemp("streams") / "simple")
        served = (WebService("simple"), Repeat("repeat_int32"), Talk("talk"), Slow("slow"))
        opened = catalogue_of(folder, *served)
        catalogue = runner.run(opened.__aenter__())

        async def run(scene: Scene) -> Catalogue:
            await scene(Line(plane_of(catalogue)))
            return catalogue

        yield lambda scene: runner.run(run(scene))
        runner.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("plain", [simple("1"), simple("2")]),
        ("error_then_ok", [simple("x", "nope"), simple("2")]),
        ("repeat", [repeat([4, 5])]),
        ("repeat_final_flag", [repeat([4, 5], triton_enable_empty_final_response=True)]),
    ],
)
def test_what_triton_answered(play: Any, name: str, messages: list[bytes]) -> None:
    async def scene(line: Line) -> None:
        number = line.open(PATH)
        line.send(number, *messages, end=True)
        assert await line.ended(number) == (Status.OK, "")
        assert [as_recorded(answer) for answer in answers(line, number)] == triton.streams()[name]

    play(scene)


def test_an_error_is_an_answer_and_each_request_is_counted(play: Any) -> None:
    def count(catalogue: Catalogue, name: str) -> tuple[int, int]:
        series = catalogue.meter.read().series_of("request")
        found = [s for at, s in series if (at["service"], at["protocol"]) == (name, "grpc")]
        return sum(s.ok for s in found), sum(s.failed for s in found)

    async def nothing(line: Line) -> None:
        line.stream.connection_lost()

    async def scene(line: Line) -> None:
        number = line.open(PATH)
        wrong = [simple("1", a=A[:, :9]), b"\xff\xff\xff", simple("3"), repeat([4, -1, 5], "4"), simple("5")]
        line.send(number, *wrong, end=True)
        assert await line.ended(number) == (Status.OK, "")
        said = {answer.infer_response.id: answer.error_message for answer in answers(line, number)}
        assert "Expected [-1,16], got [1,9]" in said["1"]
        assert "varint" in said[""]
        assert (said["3"], "(RuntimeError); see the log" in said["4"], said["5"]) == ("", True, "")
        of_four = [answer for answer in answers(line, number) if answer.infer_response.id == "4"]
        assert [len(answer.infer_response.outputs) for answer in of_four] == [2, 0]
        assert Repeat.closed.wait(5)

    catalogue = play(nothing)
    before = count(catalogue, "simple"), count(catalogue, "repeat_int32")
    play(scene)
    after = count(catalogue, "simple"), count(catalogue, "repeat_int32")
    assert after[0] == (before[0][0] + 2, before[0][1] + 1)
    assert after[1] == (before[1][0], before[1][1] + 1)


def test_requests_run_together_and_are_answered_in_order(play: Any) -> None:
    async def scene(line: Line) -> None:
        number = line.open(PATH)
        waits = [40, 1, 30, 1, 20] + [1] * 40
        for k, wait in enumerate(waits):
            line.send(number, simple(str(k), "slow", np.full((1, 16), wait, np.int32)))
        line.send_raw(number, b"", end=True)
        assert await line.ended(number) == (Status.OK, "")
        assert [answer.infer_response.id for answer in answers(line, number)] == [str(k) for k in range(len(waits))]
        assert 5 <= Slow.most <= MOST_AT_ONCE

    play(scene)


def test_who_answers_in_parts_is_in_nobodys_way(play: Any) -> None:
    async def scene(line: Line) -> None:
        Repeat.gate.clear()
        number = line.open(PATH)
        line.send(number, repeat([1, -2, 3], "slow"), simple("quick"))
        await line.got(number, 2)
        assert {answer.infer_response.id for answer in answers(line, number)} == {"slow", "quick"}
        Repeat.gate.set()
        line.send_raw(number, b"", end=True)
        assert await line.ended(number) == (Status.OK, "")
        values = [
            a.infer_response.raw_output_contents[0] for a in answers(line, number) if a.infer_response.id == "slow"
        ]
        assert np.frombuffer(b"".join(values), np.int32).tolist() == [1, -2, 3]

    play(scene)


def test_who_leaves_ends_what_is_made_for_him(play: Any) -> None:
    async def scene(line: Line) -> None:
        line.takes = False
        number = line.open(PATH)
        line.send(number, repeat(list(range(5000))))
        await line.until(lambda: len(line.data[number]) == 65_535)
        assert not Repeat.closed.is_set()
        line.h2.reset_stream(number, 8)
        line.flush()
        await line.until(Repeat.closed.is_set)

    play(scene)


def test_who_takes_nothing_is_asked_for_nothing(play: Any) -> None:
    """Nothing is taken of the answers: after some requests the window for more stays closed."""

    async def scene(line: Line) -> None:
        line.takes = False
        number, sent, message = line.open(PATH), 0, simple("1", a=np.zeros((1, 16), np.int32))
        framed = len(message) + 5
        for _ in range(200):
            while line.h2.local_flow_control_window(number) >= framed:
                line.send(number, message)
                sent += 1
            await asyncio.sleep(0.001)
            line.look()
        taken = 65_535 // len(answers(line, number)[0].SerializeToString())
        assert sent * framed < (256 << 10) + (taken + 2 * MOST_AT_ONCE) * framed
        line.stream.connection_lost()

    play(scene)


def test_parts_of_any_kind(play: Any) -> None:
    async def scene(line: Line) -> None:
        number = line.open(PATH)
        names = np.array([[b"\xff", "ä".encode()]], object)
        line.send(number, request("talk", "1", x=np.array([1.5], np.float32), names=names), end=True)
        assert await line.ended(number) == (Status.OK, "")
        told = []
        for answer in answers(line, number):
            assert not answer.error_message
            pairs = zip(answer.infer_response.outputs, answer.infer_response.raw_output_contents, strict=True)
            told.append({o.name: kserve.unpack(o.name, o.datatype, o.shape, memoryview(raw), "") for o, raw in pairs})
        asked, text, number_, numbers, named, empty, mixed = told
        assert json.loads(asked["result"][0]) == [{"x": 1.5, "names": [{"b64": "/w=="}, "ä"]}]
        assert text["result"].tolist() == [b"text"]
        assert number_["result"].tolist() == [1.5]
        assert numbers["result"].tolist() == [1.0, 2.5]
        assert (named["a"].tolist(), named["b"].tolist(), named["c"].tolist()) == (
            [True, False], [b"null"], [[b"x", b"y"]]
        )  # fmt: skip
        assert (empty["result"].tolist(), mixed["result"].tolist()) == ([b"[]"], [b"[true,2]"])

    play(scene)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": np.array(1.0, np.float32)}, "needs a batch axis"),
        ({"x": np.ones((2, 1), np.float32), "y": np.ones((3, 1), np.float32)}, "differ in their batch sizes"),
    ],
)
def test_inputs_that_are_no_instances(play: Any, inputs: Any, words: str) -> None:
    async def scene(line: Line) -> None:
        number = line.open(PATH)
        line.send(number, request("talk", "7", **inputs), end=True)
        assert await line.ended(number) == (Status.OK, "")
        (answer,) = answers(line, number)
        assert (words in answer.error_message, answer.infer_response.id) == (True, "7")
        assert "[request id: 7]" in answer.error_message

    play(scene)


def test_the_descriptors_have_the_numbers_that_are_read_and_written() -> None:
    from paddle_serving_client.wire import kserve_protobuf

    fields = {field.name: field.number for field in Ask.DESCRIPTOR.fields}
    assert fields == kserve_protobuf._REQUEST.number_of


def test_a_stream_that_is_broken_off_answers_what_was_whole(play: Any) -> None:
    async def scene(line: Line) -> None:
        number = line.open(PATH)
        line.send(number, simple("1"))
        line.send_raw(number, b"\0\0\0\0\x09abc", end=True)
        code, text = await line.ended(number)
        assert (code, "in the middle of a message" in text) == (Status.INVALID_ARGUMENT, True)
        assert [answer.infer_response.id for answer in answers(line, number)] == ["1"]

    play(scene)
