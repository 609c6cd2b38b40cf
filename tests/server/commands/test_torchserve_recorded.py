"""What a real TorchServe answered, asked of a server in its place in the same order: equal, but for what is listed."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests import torchserves
from tests.data import torchserve as recorded
from tests.torchserves import TorchServe

CASES = recorded.answers()
PICTURES = recorded.pictures()
OTHER: dict[str, tuple[int, str]] = {
    "predict_urlencoded_ct": (200, "curl says so of what it sends by -d, which is JSON nevertheless"),
    "predict_bad_json": (400, "what is no JSON is the caller's fault, and why is said"),
    "predict_empty": (400, "the same"),
    "reg_notzip": (400, "what is wrong with the archive is said"),
    "reg_broken": (500, "why it cannot be loaded is said"),
    "describe_1w": (200, "there, the worker is still on its way"),
    "list_limit": (200, "there is no page behind the last one"),
    "list2_page": (200, "the same"),
    "big_body": (413, "how large it may be is said"),
}
"""Cases with another answer: the status, and why."""
DESCRIPTIONS = ("options_inf", "options_mgmt", "api_description_inf", "api_description_mgmt")
NOT_HERE = ("/v2/models/{model_name}/infer", "/metrics")
"""In its descriptions, and answered neither there nor here."""
PARALLEL = ("batch_4_parallel", "lone_call_ms", "batch_good_with_bad", "overload_40")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TorchServe]:
    folder = tmp_path_factory.mktemp("recorded")
    store = folder / "store"
    store.mkdir()
    recorded.fill(store)
    settings = {
        "default_workers_per_model": "",
        "job_queue_size": "5",
        "default_response_timeout": "20",
        "enable_model_api": "true",
        "metrics_mode": "prometheus",
        "models": '{"barcamp2024-model-pytorch": {"1.0": {"defaultVersion": true, "minWorkers": 2}}}',
    }
    with torchserves.serve(folder, store, settings, "--ncs", "--models", "barcamp2024-model-pytorch.mar") as server:
        yield server


def ask(server: TorchServe, case: dict[str, Any]) -> tuple[int, Any]:
    headers = {"Content-Type": "", **case.get("headers", {})}
    headers = {name: value for name, value in headers.items() if value}
    return server.ask(case["method"], case["path"], case["port"], recorded.body(case, PICTURES), headers)


def alike(answer: Any) -> Any:
    """An answer without what differs from run to run: processes, and when they began."""
    if isinstance(answer, list):
        return [alike(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    workers = [{**one, "id": 0, "startTime": 0, "pid": 0, "memoryUsage": 0} for one in answer.get("workers", ())]
    return {**answer, **({"workers": workers} if "workers" in answer else {})}


def test_what_torchserve_answered(server: TorchServe) -> None:
    """In one test: each answer depends on those before it."""
    wrong = {}
    for name, case in CASES.items():
        if name in PARALLEL:
            PARALLEL_CHECKS[name](server, case)
            continue
        status, answer = ask(server, case)
        if name in DESCRIPTIONS:
            check_description(answer, case["answer"])
        elif name.startswith("metrics"):
            check_metrics(answer, case["answer"])
        elif name in OTHER:
            if status != OTHER[name][0] or alike(answer) == alike(case["answer"]):
                wrong[name] = (status, answer)
        elif (status, alike(answer)) != (case["status"], alike(case["answer"])):
            wrong[name] = (status, answer)
    assert wrong == {}


def check_description(ours: Any, theirs: Any) -> None:
    assert ours["openapi"] == theirs["openapi"]
    assert (ours["info"]["title"], ours["info"]["version"]) == (theirs["info"]["title"], theirs["info"]["version"])
    for path, methods in theirs["paths"].items():
        for method, (operation, parameters) in methods.items() if path not in NOT_HERE else ():
            found = ours["paths"][path][method]
            assert found["operationId"] == operation
            assert set(parameters) <= {one["name"] for one in found["parameters"]}, path


def families(text: str) -> dict[str, tuple[str, set[str]]]:
    """By the name of a metric: its help and kind, and the names of its labels."""
    helps = re.findall(r"# HELP (\S+) (Torchserve .*)", text)
    found: dict[str, tuple[str, set[str]]] = {name: (told, set()) for name, told in helps}
    for name, labels in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
        if name in found:
            found[name][1].update(re.findall(r'(\w+)="', labels))
    return found


def check_metrics(ours: str, theirs: str) -> None:
    """The same names, kinds, units and labels; their numbers are those of a moment."""
    found = families(ours)
    for name, (text, labels) in families(theirs).items():
        assert found[name] == (text, labels), name


def in_parallel(server: TorchServe, bodies: list[bytes]) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = [(0, None)] * len(bodies)

    def call(k: int) -> None:
        found[k] = server.predict("my_model", bodies[k])

    threads = [threading.Thread(target=call, args=(k,)) for k in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def check_batches(server: TorchServe, case: dict[str, Any]) -> None:
    expected = [(status, answer) for status, answer in case["answers"]]
    assert in_parallel(server, [PICTURES[k % 2] for k in range(4)]) == expected


def check_alone(server: TorchServe, case: dict[str, Any]) -> None:
    assert server.predict("my_model", PICTURES[0])[0] == 200


def check_good_with_bad(server: TorchServe, case: dict[str, Any]) -> None:
    """There, one picture that cannot be read fails the whole batch."""
    good, bad = in_parallel(server, [PICTURES[0], b"no picture"])
    assert bad == tuple(case["bad"])
    assert good[0] == 200 != case["good"][0]


def check_overload(server: TorchServe, case: dict[str, Any]) -> None:
    """Who finds no room is refused at once; the text says what is so, and not that there is no worker."""
    found = in_parallel(server, [PICTURES[0]] * 40)
    statuses = {status for status, _ in found}
    assert statuses <= {200, 503}
    assert 200 in statuses
    for status, answer in found:
        if status == 503:
            assert answer["type"] == case["refusal"]["type"]
            assert "5 requests wait for this model already" in answer["message"]


PARALLEL_CHECKS = dict(zip(PARALLEL, (check_batches, check_alone, check_good_with_bad, check_overload), strict=True))
