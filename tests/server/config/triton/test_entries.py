"""Repositories as entries of the registry, without a server."""

from pathlib import Path

import pytest

from paddle_serving_server.config.triton import served
from paddle_serving_server.config.triton.command_line import parse
from paddle_serving_server.config.triton.entries import HANDLER, Repositories, stamp_of
from paddle_serving_server.config.triton.rules import RepositoryRules
from paddle_serving_server.config.values import ServedModel, ServerConfig
from tests import triton_models
from tests.triton_models import SIMPLE, ensemble, identity, put, simple

MAPS = {"INPUT0": "A", "INPUT1": "B"}


def opened(root: Path, *wanted: str, **rules: str) -> dict[str, ServedModel]:
    made = RepositoryRules(repositories=(str(root),), **rules)  # type: ignore[arg-type]
    return {model.name: model for model in Repositories(made).models(wanted or None)}


def fault(model: ServedModel) -> str:
    assert model.triton is not None
    return model.triton.fault


def test_a_model_stands_behind_those_that_it_asks_and_comes_with_them(tmp_path: Path) -> None:
    simple(put(tmp_path / "simple", SIMPLE) / "1" / "model.onnx")
    put(tmp_path / "a", ensemble("a", ["A", "B"], ["C"], [("b", -1, {"A": "A", "B": "B"}, {"C": "C"})]))
    put(tmp_path / "b", ensemble("b", ["A", "B"], ["C"], [("simple", -1, MAPS, {"OUTPUT0": "C"})]))
    identity(tmp_path / "other" / "1" / "model.onnx")
    assert list(opened(tmp_path)) == ["simple", "b", "a", "other"]
    assert list(opened(tmp_path, "a")) == ["simple", "b", "a"]


def test_ensembles_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        put(tmp_path / one, ensemble(one, ["A"], ["C"], [(other, -1, {"A": "A"}, {"C": "C"})]))
    found = opened(tmp_path)
    assert "asks itself, by way of" in fault(found["a"]) + fault(found["b"])


def test_what_cannot_be_loaded_is_an_entry_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path / "empty", SIMPLE.replace('"simple"', '"empty"'))
    put(tmp_path / "torch", 'backend: "pytorch"', {"1/model.pt": b"x"})
    put(tmp_path / "plan", 'platform: "tensorrt_plan"', {"1/model.plan": b"x"})
    put(tmp_path / "ir", None, {"1/model.xml": b"<net/>", "1/model.bin": b""})
    put(tmp_path / "bad name", None)
    identity(tmp_path / "bad name" / "1" / "model.onnx")
    found = opened(tmp_path)
    assert "there is no version folder, and so no " in fault(found["empty"])
    assert "export the model to ONNX" in fault(found["torch"])
    assert "a TensorRT engine runs on one kind of GPU only" in fault(found["plan"])
    assert "the IR of OpenVINO is not read here" in fault(found["ir"])
    assert "letters, digits" in fault(found["bad name"])
    flags = parse([f"--model-repository={tmp_path}", "--exit-on-error=false"])
    config = served.server(flags, served.rules(flags), tuple(found.values()))
    assert ServerConfig.from_json(config.to_json()) == config


def test_a_model_py_has_a_handler_for_each_version(tmp_path: Path) -> None:
    python = 'backend: "python" max_batch_size: 4 version_policy { all { } } dynamic_batching { }\n'
    tensors = 'input { name: "X" data_type: TYPE_STRING dims: 1 } output { name: "Y" data_type: TYPE_STRING dims: 1 }'
    put(tmp_path / "code", python + tensors, {"1/model.py": "", "2/model.py": ""})
    model = opened(tmp_path)["code"]
    assert [version for version, _ in model.own] == ["1", "2"]
    assert all(own.handler is not None and own.handler.kind == HANDLER and own.max_rows == 4 for _, own in model.own)


def test_a_queue_has_room_for_what_may_wait_behind_what_is_computed(tmp_path: Path) -> None:
    policy = "dynamic_batching { default_queue_policy { max_queue_size: 3 } } instance_group { count: 2 }"
    identity(put(tmp_path / "m", f"max_batch_size: 4 {policy}") / "1" / "model.onnx")
    identity(put(tmp_path / "n", "max_batch_size: 4") / "1" / "model.onnx")
    found = opened(tmp_path)
    assert (found["m"].max_waiting, found["n"].max_waiting) == (3 + 2 * 4, 0)


def test_files_that_change_make_another_entry_and_others_are_not_read_again(tmp_path: Path) -> None:
    file = identity(tmp_path / "m" / "1" / "model.onnx")
    identity(tmp_path / "n" / "1" / "model.onnx")
    notes: list[str] = []
    repositories = Repositories(
        RepositoryRules(repositories=(str(tmp_path),)), lambda name, note: notes.append(name)
    )  # fmt: skip
    before = repositories.models()
    assert repositories.models() == before
    assert notes == ["m", "n"]  # that max_batch_size is filled in
    identity(file, out="Z")
    after = repositories.models()
    assert (after[0] != before[0], after[1] == before[1], notes) == (True, True, ["m", "n", "m"])
    stamp = stamp_of(tmp_path / "m")
    (tmp_path / "m" / "1" / "__pycache__").mkdir()
    (tmp_path / "m" / "1" / "__pycache__" / "x.pyc").touch()
    assert stamp_of(tmp_path / "m") == stamp


def test_the_library_that_a_config_names_where_it_is_to_be_kept_to(tmp_path: Path) -> None:
    triton_models.bert(tmp_path)
    for policy, library in (("measured", ""), ("exact", "onnxruntime")):
        assert opened(tmp_path, "model_onnx", backend_policy=policy)["model_onnx"].options.backend == library


@pytest.mark.parametrize(
    ("flags", "first", "others"),
    [
        ("", ("0.0.0.0", 8000, ()), [(8001, ("kserve",), ()), (8002, (), ("metrics",))]),
        ("--allow-metrics=false --http-address=127.0.0.1", ("127.0.0.1", 8000, ()), [(8001, ("kserve",), ())]),
        ("--allow-http=false --allow-metrics=false --grpc-port=9", ("0.0.0.0", 9, ("kserve",)), []),
        ("--allow-grpc=false", ("0.0.0.0", 8000, ()), [(8002, (), ("metrics",))]),
    ],
)
def test_an_address_each_for_http_grpc_and_metrics(
    flags: str, first: tuple[str, int, tuple[str, ...]], others: list[tuple[int, tuple[str, ...], tuple[str, ...]]]
) -> None:
    asked = parse(["--model-repository=/m", *flags.split()])
    config = served.server(asked, served.rules(asked), ())
    assert (config.host, config.port, config.apis) == first
    assert [(at.port, at.apis, at.roles) for at in config.listen] == others


def test_a_repository_may_be_called_as_in_a_container(tmp_path: Path) -> None:
    flags = parse(["--model-repository=/models/of/mine", f"--map=/models={tmp_path}"])
    assert served.rules(flags).repositories == (str(tmp_path / "of" / "mine"),)


def test_gpus_are_those_of_the_machine_where_a_library_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    for name in ("nvidia0", "nvidia1", "nvidiactl", "null"):
        (tmp_path / name).touch()
    assert served.gpus(tmp_path) == ()
    monkeypatch.setattr("paddle_serving_app.backend.version_of", lambda *names: "1.0")
    assert served.gpus(tmp_path) == (0, 1)
