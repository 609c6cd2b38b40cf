"""Graphs over tensor names, whose steps ask other services: with tiny models in this process, and in a real server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_client.errors import (
    BackendFailed,
    BadConfig,
    BadDType,
    BadInput,
    BadModel,
    DeadlineExceeded,
    Starting,
)
from paddle_serving_client.message import Request, Response
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.wrapper import Wrapper
from paddle_serving_server.graph.tensor_graph import Step, TensorGraph
from paddle_serving_server.process.states import State
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.graph_service import GraphService
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.services.model_status import ModelStatus, VersionStatus
from paddle_serving_server.services.others import CatalogueOthers
from paddle_serving_server.user_code.threads import Threads
from tests import models
from tests.models import UCI_INPUT
from tests.serving import HTTP, serve

FLOAT = 1
ROOM = Input("room", "room", FLOAT, (-1, 1))
X = Input("x", "x", FLOAT, (-1, 13))
PRICE, HOUSE = Output("price", "price", FLOAT, (1,)), Output("house", "house", FLOAT, (13,))
HOUSES, UCI = Step("houses", {"p": "room"}, {"x": "house"}), Step("uci", {"x": "house"}, {"price": "price"})


def ensemble(*steps: Step, gives: tuple[Output, ...] = (PRICE,), takes: tuple[Input, ...] = (ROOM,)) -> TensorGraph:
    return TensorGraph("e", steps, Signature(takes, gives))


class Watched(Wrapper):
    """Keeps what it is asked, and can keep whoever asks waiting."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.asked: list[Arranged] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        self.asked.append(arranged)
        await self.may_answer.wait()
        return await self.inner.run(arranged, outputs, context)


class Bench:
    """A catalogue of models, and what they are asked."""

    def __init__(self, threads: Threads) -> None:
        self.catalogue = Catalogue()
        self.engines: dict[str, Watched] = {}
        self._threads = threads

    def model(self, name: str, folder: Path) -> ModelService:
        service = ModelService(name)
        engine = self.engines[name] = Watched(LocalEngine.load(folder, ModelOptions(threads=1)))
        service.set_models({"": str(folder)})
        service.bind({"": engine}, self._threads)
        self.catalogue.add(service)
        return service

    def graph(self, name: str, graph: TensorGraph) -> GraphService:
        service = GraphService(name, graph)
        service.others = CatalogueOthers(self.catalogue)
        service.bind({}, self._threads)
        self.catalogue.add(service)
        return service


@contextlib.asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """uci and houses."""
    with contextlib.closing(Threads(1, "test")) as threads:
        made = Bench(threads)
        made.model("uci", models.uci(folder / "uci", form="onnx"))
        made.model("houses", models.houses(folder / "houses", form="onnx"))
        try:
            yield made
        finally:
            for engine in made.engines.values():
                await engine.close()


def test_tensors_go_from_step_to_step_and_each_step_is_timed(tmp_path: Path) -> None:
    rooms = np.array([[3.0], [4.0]], np.float32)

    async def ask() -> Response:
        async with bench(tmp_path) as made:
            service = made.graph("e", ensemble(UCI, HOUSES, gives=(PRICE, HOUSE)))
            response = await service.infer(Request(tensors={"room": rooms}))
            (arranged,) = made.engines["uci"].asked
            assert arranged.arrays[0] is response.tensors["house"]  # one array: for the next step, and in the answer
            assert (made.engines["houses"].asked[0].arrays[0] is rooms, service.inside) == (True, 0)
            return response

    response = asyncio.run(ask())
    np.testing.assert_allclose(response.tensors["house"], models.houses_answer(rooms), rtol=1e-5)
    np.testing.assert_allclose(response.tensors["price"], models.uci_answer(models.houses_answer(rooms)), rtol=1e-4)
    names = [stage.name for stage in response.stages]
    assert names[0] == "houses.queue" and names[-1] == "uci.transfer"
    assert sum(stage.ms for stage in response.stages if stage.name.endswith(".infer")) > 0


def test_steps_are_told_what_the_caller_says_beside_the_values(tmp_path: Path) -> None:
    class Kept(ModelService):
        async def infer(self, request: Request) -> Response:
            kept.append(request)
            return await super().infer(request)

    kept: list[Request] = []

    async def ask() -> None:
        async with bench(tmp_path) as made:
            service = Kept("kept")
            service.set_models({"": str(tmp_path / "houses")})
            with contextlib.closing(Threads(1, "test")) as threads:
                service.bind({"": made.engines["houses"]}, threads)
            made.catalogue.add(service)
            graph = ensemble(Step("kept", {"p": "room"}, {"x": "house"}), gives=(HOUSE,))
            rooms = {"room": np.array([[3.0]], np.float32)}
            await made.graph("e", graph).infer(Request(tensors=rooms, parameters={"k": "v"}, id="mine"))

    asyncio.run(ask())
    assert [(request.parameters, request.id) for request in kept] == [({"k": "v"}, "mine")]


def test_instances_are_taken_as_a_model_takes_them(tmp_path: Path) -> None:
    async def ask() -> Response:
        async with bench(tmp_path) as made:
            return await made.graph("e", ensemble(HOUSES, UCI)).infer(Request(instances=[{"room": 3.0}, {"room": [4]}]))

    result = asyncio.run(ask()).result
    expected = models.uci_answer(models.houses_answer([[3.0], [4.0]]))
    assert result == {"price": [[pytest.approx(float(n), rel=1e-4)] for n in expected[:, 0]]}


def test_steps_that_do_not_wait_for_each_other_are_asked_side_by_side(tmp_path: Path) -> None:
    async def ask() -> None:
        async with bench(tmp_path) as made:
            made.model("other", tmp_path / "uci")
            again = Step("other", {"x": "x"}, {"price": "second"})
            second = Output("second", "second", FLOAT, (1,))
            graph = ensemble(Step("uci", {"x": "x"}, {"price": "price"}), again, gives=(PRICE, second), takes=(X,))
            first, other = made.engines["uci"], made.engines["other"]
            first.may_answer.clear()
            asking = asyncio.create_task(made.graph("e", graph).infer(Request(tensors={"x": UCI_INPUT[None]})))
            while not (first.asked and other.asked):
                await asyncio.sleep(0)
            first.may_answer.set()
            tensors = (await asking).tensors
            assert tensors["price"] == tensors["second"] == pytest.approx(models.UCI_PRICE, rel=1e-5)

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([HOUSES], "output is tensor 'price', which nothing gives; there are 'room', 'house'"),
        ([UCI], "input 'x' of step 'uci' is tensor 'house', which nothing gives"),
        ([HOUSES, HOUSES, UCI], "tensor 'house' comes from step 'houses.1' and from step 'houses.2'"),
        ([HOUSES, UCI, Step("idle", {"p": "room"}, {"q": "r"})], "nothing of 'idle' is used for an output"),
        (
            [Step("houses", {"p": "price"}, {"x": "house"}), UCI],
            "the nodes wait for each other in a circle: houses -> uci -> houses",
        ),
    ],
)
def test_steps_that_do_not_fit_together_are_refused_by_name(steps: list[Step], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        ensemble(*steps)
    assert str(caught.value).startswith("graph 'e': ") and words in str(caught.value)


def test_a_service_that_would_wait_for_itself_is_refused(tmp_path: Path) -> None:
    def around(model: str) -> TensorGraph:
        return ensemble(Step(model, {"x": "x"}, {"price": "price"}), takes=(X,))

    async def ask() -> None:
        async with bench(tmp_path) as made:
            made.graph("a", around("b"))
            with pytest.raises(BadConfig, match="service 'b' would wait for itself: it asks a -> b"):
                made.graph("b", around("a"))

    asyncio.run(ask())


def test_what_goes_wrong_in_a_step_is_said_of_the_step(tmp_path: Path) -> None:
    async def ask(step: Step, output: Output, error: type[Exception], words: str) -> None:
        async with bench(tmp_path) as made:
            service = made.graph("e", ensemble(step, gives=(output,), takes=(X,)))
            with pytest.raises(error, match=words):
                await service.infer(Request(tensors={"x": UCI_INPUT[None]}))

    cases: list[tuple[Step, Output, type[Exception], str]] = [
        (Step("none", {"x": "x"}, {"price": "price"}), PRICE, BackendFailed, "cannot be asked: no service 'none'"),
        (Step("uci", {"x": "x"}, {"p": "price"}), PRICE, BackendFailed, "has no output 'p'; it gave 'price'"),
        (Step("uci", {"y": "x"}, {"price": "price"}), PRICE, BadInput, "step 'uci': unknown input 'y'"),
        (
            Step("uci", {"x": "x"}, {"price": "price"}),
            Output("price", "price", 0, (1,)),
            BackendFailed,
            r"output 'price' is to be int64, its step gave float32\[1, 1\]",
        ),
    ]
    for case in cases:
        asyncio.run(ask(*case))


def test_callers_get_the_checks_of_a_model(tmp_path: Path) -> None:
    async def ask() -> None:
        async with bench(tmp_path) as made:
            service = made.graph("e", ensemble(HOUSES, UCI))
            with pytest.raises(BadDType, match="input 'room' must be float32"):
                await service.infer(Request(tensors={"room": np.zeros((1, 1), np.int64)}))

    asyncio.run(ask())


def test_the_deadline_is_kept(tmp_path: Path) -> None:
    async def ask() -> None:
        async with bench(tmp_path) as made:
            made.engines["houses"].may_answer.clear()
            service = made.graph("e", ensemble(HOUSES, UCI))
            with pytest.raises(DeadlineExceeded, match="in work: 'houses'"):
                soon = asyncio.get_running_loop().time() + 0.05
                await service.infer(Request(tensors={"room": np.ones((1, 1), np.float32)}, deadline=soon))
            assert made.catalogue["houses"].inside == 0

    asyncio.run(ask())


def versions(name: str, *states: tuple[str, State, int]) -> ModelStatus:
    return ModelStatus(name, None, tuple(VersionStatus(version, state, "", part) for version, state, part in states))


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_request_stays_with_the_version_that_answered_first(tmp_path: Path, is_nested: bool) -> None:
    """The default version of a model changes between two steps that ask it, one of them perhaps in another graph."""

    async def ask() -> None:
        async with bench(tmp_path) as made:
            other = ModelService("uci")
            folder = models.uci(tmp_path / "doubled", form="onnx", weights=models.UCI_W * 2)
            other.set_models({"": str(folder)})
            doubled = LocalEngine.load(folder, ModelOptions(threads=1))
            with contextlib.closing(Threads(1, "test")) as threads:
                other.bind({"": doubled}, threads)
            steps = [Step("houses", {"p": "price"}, {"x": "again"}), Step("uci", {"x": "again"}, {"price": "second"})]
            second = Output("second", "second", FLOAT, (1,))
            if is_nested:
                takes = (Input("price", "price", FLOAT, (-1, 1)),)
                made.graph("inner", ensemble(*steps, gives=(second,), takes=takes))
                steps = [Step("inner", {"price": "price"}, {"second": "second"})]
            steps = [Step("uci", {"x": "x"}, {"price": "price"}), *steps]
            gives = PRICE, second
            service = made.graph("e", ensemble(*steps, gives=gives, takes=(X,)))
            houses = made.engines["houses"]
            houses.may_answer.clear()
            asking = asyncio.create_task(service.infer(Request(tensors={"x": UCI_INPUT[None]})))
            while not houses.asked:
                await asyncio.sleep(0)
            made.catalogue.offer(other, 7)
            assert made.catalogue["houses"].inside == 1
            assert made.catalogue["uci"] is other
            houses.may_answer.set()
            response = await asking
            first = models.uci_answer(UCI_INPUT[None])
            np.testing.assert_allclose(
                response.tensors["second"], models.uci_answer(models.houses_answer(first)), rtol=1e-4
            )
            assert made.catalogue["houses"].inside == 0
            asked_now = (await service.infer(Request(tensors={"x": UCI_INPUT[None]}))).tensors
            assert not np.allclose(asked_now["price"], first)
            await doubled.close()

    asyncio.run(ask())


def test_a_step_that_loads_is_waited_for_by_the_caller(tmp_path: Path) -> None:
    async def ask() -> None:
        async with bench(tmp_path) as made:
            made.catalogue.statuses["late"] = versions("late", ("1", State.LOADING, 3))
            service = made.graph("e", ensemble(Step("late", {"x": "x"}, {"price": "price"}), takes=(X,)))
            with pytest.raises(Starting, match="service 'late' is being loaded"):
                await service.infer(Request(tensors={"x": UCI_INPUT[None]}))
            others = CatalogueOthers(made.catalogue)
            waiting = asyncio.create_task(others.there("e", service.asks))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            made.catalogue.statuses["late"] = versions("late", ("1", State.REFUSED, 3))
            with pytest.raises(BadModel, match="ensemble 'e' depends on 'late' which has no loaded version"):
                await waiting
            await others.there("e", [("uci", "")])

    asyncio.run(ask())


SERVICE_FILE = """
from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_server.graph.tensor_graph import Step, TensorGraph
from paddle_serving_server.services.graph_service import GraphService
from paddle_serving_server.user_code import hosting

signature = Signature((Input("room", "room", 1, (-1, 1)),), (Output("price", "price", 1, (1,)),))
steps = [Step("houses", {"p": "room"}, {"x": "house"}), Step("uci", {"x": "house"}, {"price": "price"})]
hosting.collect(GraphService("e", TensorGraph("e", steps, signature), "Prices of houses"))
"""


def test_a_server_offers_it_beside_the_models_that_it_asks(tmp_path: Path) -> None:
    (tmp_path / "ensemble.py").write_text(SERVICE_FILE)
    folders = [f"{m.__name__}={m(tmp_path / m.__name__, form='onnx')}" for m in (models.uci, models.houses)]
    price = float(models.uci_answer(models.houses_answer([[3.0]]))[0, 0])
    with serve(tmp_path, *folders, "--service", str(tmp_path / "ensemble.py")) as server:
        tensor = {"name": "room", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}
        reply = HTTP.request("POST", f"{server.url}/v2/models/e/infer", body=json.dumps({"inputs": [tensor]}))
        assert reply.status == 200, reply.data
        (output,) = json.loads(reply.data)["outputs"]
        assert (output["name"], output["data"]) == ("price", [pytest.approx(price, rel=1e-4)])
        body, headers = json.dumps({"feed": [{"room": 3.0}]}), {"Content-Type": "application/json"}
        reply = HTTP.request("POST", f"{server.url}/e/prediction", body=body, headers=headers)
        assert json.loads(reply.data)["result"] == {"price": [[pytest.approx(price, rel=1e-4)]]}
        assert "houses.infer;dur=" in reply.headers["Server-Timing"]
        about: Mapping[str, object] = json.loads(HTTP.request("GET", f"{server.url}/v2/models/e").data)
        assert about["inputs"] == [{"name": "room", "datatype": "FP32", "shape": [-1, 1]}]
        listed = {s["name"]: s for s in json.loads(HTTP.request("GET", f"{server.url}/services").data)["services"]}
        assert listed["e"]["title"] == "Prices of houses"
        assert [model["name"] for model in listed["e"]["models"]] == ["houses", "uci"]
