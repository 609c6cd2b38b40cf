"""What a model.py imports: tensors of every type, requests and answers, other models, configs, as Triton has them."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.triton import backend_utils as pb_utils
from paddle_serving_app.triton.backend_utils import host, metrics
from paddle_serving_app.triton.backend_utils.host import Call
from paddle_serving_client import dtype

TYPES = {
    "TYPE_BOOL": np.bool_, "TYPE_UINT8": np.uint8, "TYPE_UINT16": np.uint16, "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64, "TYPE_INT8": np.int8, "TYPE_INT16": np.int16, "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64, "TYPE_FP16": np.float16, "TYPE_FP32": np.float32, "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}  # fmt: skip


class Server:
    """A host that answers with what it was asked, twice where any number of answers is wanted."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def infer(self, call: Call) -> Iterator[pb_utils.InferenceResponse]:
        self.calls.append(call)
        for _ in range(2 if call.decoupled or call.model_name == "many" else 1):
            yield pb_utils.InferenceResponse(call.inputs, parameters=call.parameters)

    async def infer_async(self, call: Call) -> AsyncIterator[pb_utils.InferenceResponse]:
        for answer in self.infer(call):
            yield answer

    def load_model(self, name: str, config: str, files: Mapping[str, bytes]) -> None:
        self.loaded = (name, config, files)

    def unload_model(self, name: str, unload_dependents: bool) -> None:
        self.unloaded = (name, unload_dependents)

    def is_model_ready(self, name: str, version: str) -> bool:
        return (name, version) == ("other", "2")

    def model_dir(self) -> str:
        return "/models/m/1"


class Caller:
    """A link that keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[pb_utils.InferenceResponse | None, bool]] = []

    def send(self, response: pb_utils.InferenceResponse | None, is_final: bool) -> None:
        self.sent.append((response, is_final))

    def is_cancelled(self) -> bool:
        return len(self.sent) > 1


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    host.connect(found)
    yield found
    host.connect(None)


def test_it_is_importable_only_where_it_was_installed() -> None:
    script = (
        "import importlib.util; from paddle_serving_app.triton import backend_utils\n"
        "assert importlib.util.find_spec('triton_python_backend_utils') is None\n"
        "backend_utils.install(); import triton_python_backend_utils as pb_utils\n"
        "assert pb_utils.Tensor is backend_utils.Tensor"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", TYPES)
def test_types_are_those_of_numpy(name: str) -> None:
    kind = pb_utils.triton_string_to_numpy(name)
    assert np.dtype(kind) == np.dtype(TYPES[name])
    number = pb_utils.numpy_to_triton_type(kind)
    assert np.dtype(pb_utils.triton_to_numpy_type(number)) == np.dtype(kind)
    tensor = pb_utils.Tensor("x", np.zeros((2, 3), kind))
    assert (tensor.triton_dtype(), tensor.shape(), tensor.is_cpu()) == (number, [2, 3], True)


def test_a_type_that_there_is_not_is_refused() -> None:
    with pytest.raises(KeyError):
        pb_utils.triton_string_to_numpy("TYPE_NOPE")
    assert pb_utils.triton_to_numpy_type(99) is None
    with pytest.raises(pb_utils.TritonModelException, match="'x' is complex64, which is none of Triton's types"):
        pb_utils.Tensor("x", np.zeros(1, np.complex64))
    with pytest.raises(pb_utils.TritonModelException, match="'x' must be a numpy array, got list"):
        pb_utils.Tensor("x", [1.0])
    with pytest.raises(pb_utils.TritonModelException, match="Tensor name cannot be an empty string"):
        pb_utils.Tensor("", np.zeros(1))


@pytest.mark.parametrize(
    "array",
    [
        np.array([["помогите"], ["мне"]], dtype=np.object_),
        np.array([["помогите".encode()], ["мне".encode()]], dtype=np.object_),
        np.array([["помогите"], ["мне"]]),
        np.array([["помогите".encode()], ["мне".encode()]]),
        np.array([["помогите"], ["мне"]]).astype(pb_utils.triton_string_to_numpy("TYPE_STRING")),
    ],
)
def test_strings_travel_as_bytes_whatever_they_were(array: Any) -> None:
    tensor = pb_utils.Tensor("label", array)
    assert tensor.triton_dtype() == 13
    assert tensor.as_numpy() is array
    sent = tensor.as_sent()
    assert sent.dtype == np.object_
    assert sent.tolist() == [["помогите".encode()], ["мне".encode()]]


def test_objects_that_are_no_strings_become_text() -> None:
    array = np.array([1, 2.5, None], dtype=np.object_)
    assert pb_utils.Tensor("x", array).as_sent().tolist() == [b"1", b"2.5", b"None"]
    assert pb_utils.Tensor("x", np.empty((0, 2), np.object_)).as_sent().shape == (0, 2)


def test_arrays_are_made_contiguous() -> None:
    tensor = pb_utils.Tensor("x", np.arange(6, dtype=np.int32).reshape(2, 3).T)
    assert tensor.as_sent().flags.c_contiguous
    assert tensor.as_numpy().tolist() == [[0, 3], [1, 4], [2, 5]]


def test_tensors_go_through_dlpack_and_back() -> None:
    array = np.arange(4, dtype=np.float32).reshape(2, 2)
    read_only = array.copy()
    read_only.flags.writeable = False
    for given in (array, read_only):
        tensor = pb_utils.Tensor("x", given)
        assert pb_utils.Tensor.from_dlpack("y", tensor.to_dlpack()).as_numpy().tolist() == array.tolist()
        assert np.from_dlpack(tensor).tolist() == array.tolist()
    assert pb_utils.Tensor.from_dlpack("y", array).name() == "y"


def test_what_dlpack_cannot_do_is_refused() -> None:
    with pytest.raises(pb_utils.TritonModelException, match="DLPack does not have support for string tensors"):
        pb_utils.Tensor("x", np.array(["a"], np.object_)).to_dlpack()
    with pytest.raises(pb_utils.TritonModelException, match="Tensor must be a DLPack capsule or have"):
        pb_utils.Tensor.from_dlpack("x", [1.0])
    with pytest.raises(pb_utils.TritonModelException, match="is bfloat16"):
        pb_utils.Tensor("x", np.zeros(1, dtype.BFLOAT16)).to_dlpack()

    class OnGpu:
        def __dlpack__(self, **_: object) -> None: ...
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

    with pytest.raises(pb_utils.TritonModelException, match="is in the memory of a GPU"):
        pb_utils.Tensor.from_dlpack("x", OnGpu())


def test_a_request_says_what_came_with_it() -> None:
    x = pb_utils.Tensor("x", np.zeros((1, 2), np.float32))
    caller = Caller()
    request = pb_utils.InferenceRequest(
        request_id="7", correlation_id="s1", inputs=[x], requested_output_names=["y"], flags=3, timeout=5,
        parameters={"k": "v", "n": 1}, link=caller,
    )  # fmt: skip
    assert pb_utils.get_input_tensor_by_name(request, "x") is x
    assert pb_utils.get_input_tensor_by_name(request, "z") is None
    assert json.loads(request.parameters()) == {"k": "v", "n": 1}
    assert (request.request_id(), request.correlation_id(), request.flags(), request.timeout()) == ("7", "s1", 3, 5)
    assert request.requested_output_names() == ["y"]
    request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
    assert request.release_flags() == pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE


def test_an_answer_has_outputs_or_an_error() -> None:
    y = pb_utils.Tensor("y", np.ones(1, np.float32))
    answer = pb_utils.InferenceResponse([y], parameters={"k": True})
    assert pb_utils.get_output_tensor_by_name(answer, "y") is y
    assert (answer.has_error(), answer.error(), json.loads(answer.parameters())) == (False, None, {"k": True})
    wrong = pb_utils.InferenceResponse(error=pb_utils.TritonError("no", pb_utils.TritonError.INVALID_ARG))
    error = wrong.error()
    assert error is not None
    assert (wrong.has_error(), error.message(), error.code(), wrong.output_tensors()) == (True, "no", 3, [])
    text = pb_utils.InferenceResponse(output_tensors=[], error="plain").error()
    assert text is not None
    assert (str(text), text.code()) == ("plain", pb_utils.TritonError.INTERNAL)
    for bad, match in (([y, y], "'y' is there more than once"), ([np.ones(1)], r"must be a pb_utils\.Tensor, got nd")):
        with pytest.raises(pb_utils.TritonModelException, match=match):
            pb_utils.InferenceResponse(bad)  # type: ignore[arg-type]
    with pytest.raises(pb_utils.TritonModelException, match="parameter 'k' must be a number, a text or a truth value"):
        pb_utils.InferenceResponse([y], parameters={"k": [1]})  # type: ignore[dict-item]


def test_a_sender_sends_until_the_last_one() -> None:
    caller = Caller()
    sender = pb_utils.InferenceRequest(link=caller).get_response_sender()
    answer = pb_utils.InferenceResponse([])
    sender.send(answer)
    assert not sender.is_cancelled()
    with pytest.raises(pb_utils.TritonModelException, match="must be provided when the response flags is set to zero"):
        sender.send()
    with pytest.raises(pb_utils.TritonModelException, match="Unsupported flag provided"):
        sender.send(answer, 4)
    sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    assert caller.sent == [(answer, False), (None, True)]
    assert sender.is_cancelled()
    with pytest.raises(pb_utils.TritonModelException, match="Response sender has been closed"):
        sender.send(answer)
    with pytest.raises(pb_utils.TritonModelException, match="only a caller's request has a response sender"):
        pb_utils.InferenceRequest().get_response_sender()


def test_other_models_are_asked(server: Server) -> None:
    x = pb_utils.Tensor("x", np.ones(2, np.float32))
    request = pb_utils.InferenceRequest(
        model_name="other", requested_output_names=["y"], inputs=[x], parameters={"k": 1}, timeout=9
    )
    answer = request.exec()
    assert pb_utils.get_output_tensor_by_name(answer, "x") is x
    assert server.calls == [
        Call(model_name="other", model_version=-1, inputs=[x], outputs=["y"], parameters={"k": 1}, timeout_us=9)
    ]
    assert len(list(request.exec(decoupled=True))) == 2
    assert asyncio.run(request.async_exec()).output_tensors() == [x]

    async def many() -> int:
        return len([answer async for answer in await request.async_exec(decoupled=True)])

    assert asyncio.run(many()) == 2
    error = pb_utils.InferenceRequest(model_name="many").exec().error()
    assert "2 answers came instead of one" in error.message()
    with pytest.raises(pb_utils.TritonModelException, match="model_name is missing"):
        pb_utils.InferenceRequest().exec()
    assert pb_utils.is_model_ready("other", "2")
    assert not pb_utils.is_model_ready("other")
    pb_utils.load_model("other", files={"file:1/x": b"x"})
    pb_utils.unload_model("other")
    assert (server.loaded, server.unloaded) == (("other", "", {"file:1/x": b"x"}), ("other", False))
    assert pb_utils.get_model_dir() == "/models/m/1"


def test_without_a_server_nobody_is_asked() -> None:
    with pytest.raises(pb_utils.TritonModelException, match="no server runs this model"):
        pb_utils.InferenceRequest(model_name="other").exec()


CONFIG: dict[str, Any] = {
    "name": "m", "max_batch_size": 4, "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}], "output": [],
}  # fmt: skip


def test_configs_are_looked_up() -> None:
    assert pb_utils.get_input_config_by_name(CONFIG, "x") == CONFIG["input"][0]
    assert pb_utils.get_output_config_by_name(CONFIG, "y") is None
    assert pb_utils.get_output_config_by_name({}, "y") is None
    assert not pb_utils.using_decoupled_model_transaction_policy(CONFIG)
    assert pb_utils.using_decoupled_model_transaction_policy({"model_transaction_policy": {"decoupled": True}})


def test_a_config_is_completed_by_its_model() -> None:
    config = pb_utils.ModelConfig(json.dumps(CONFIG))
    config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [2], "optional": True})
    config.add_output({"name": "y", "data_type": "TYPE_STRING", "dims": [1]})
    config.set_max_batch_size(8)
    config.set_dynamic_batching()
    config.set_model_transaction_policy({"decoupled": True})
    assert config.as_dict() == {
        "name": "m",
        "max_batch_size": 8,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2], "optional": True}],
        "output": [{"name": "y", "data_type": "TYPE_STRING", "dims": [1]}],
        "dynamic_batching": {},
        "model_transaction_policy": {"decoupled": True},
    }


@pytest.mark.parametrize(
    ("method", "argument", "message"),
    [
        ("add_input", {"name": "x", "data_type": "TYPE_INT8", "dims": [2]}, "expects datatype TYPE_FP32 for input 'x'"),
        ("add_input", {"name": "x", "data_type": "TYPE_FP32", "dims": [3]}, r"expects dims \[3\] but the model config"),
        ("add_input", {"name": "z", "data_type": "TYPE_FP32"}, "input 'z' in auto-complete.* is missing 'dims' prop"),
        ("add_input", {"data_type": "TYPE_FP32"}, "input in auto-complete.* is missing 'name' property"),
        ("add_output", {"name": "y", "optional": True}, "contains property other than 'name', 'data_type' and 'dims'"),
        ("set_max_batch_size", 2, "configuration specified max_batch_size 4, but in auto-complete-config"),
        ("set_model_transaction_policy", {"x": 1}, "contains property other than 'decoupled'"),
    ],
)
def test_what_contradicts_the_config_is_refused(method: str, argument: Any, message: str) -> None:
    config = pb_utils.ModelConfig(json.dumps(CONFIG))
    with pytest.raises(ValueError, match=message):
        getattr(config, method)(argument)
    assert config.as_dict() == CONFIG


def test_what_a_model_logs_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        pb_utils.Logger.log("100 %s", pb_utils.Logger.ERROR)
        pb_utils.Logger.log_verbose("detail")
    assert [(record.levelname, record.getMessage(), record.filename) for record in caplog.records] == [
        ("ERROR", "100 %s", "test_backend_utils.py"),
        ("DEBUG", "detail", "test_backend_utils.py"),
    ]


def test_a_model_counts_numbers_of_its_own() -> None:
    family = pb_utils.MetricFamily("test_requests", "Requests.", pb_utils.MetricFamily.COUNTER)
    family.Metric({"model": "m"}).increment(2)
    again = pb_utils.MetricFamily("test_requests", "Requests.", pb_utils.MetricFamily.COUNTER)
    assert again.Metric({"model": "m"}).value() == 2
    assert [found.name for found in metrics.families() if found.name.startswith("test_")] == ["test_requests"]
    with pytest.raises(pb_utils.TritonModelException, match="a counter does not fall"):
        again.Metric({"model": "m"}).increment(-1)
    with pytest.raises(pb_utils.TritonModelException, match=r"a counter has no set\(\)"):
        again.Metric().set(1)
    with pytest.raises(pb_utils.TritonModelException, match="'test_requests' is a counter already"):
        pb_utils.MetricFamily("test_requests", "", pb_utils.MetricFamily.GAUGE)
    times = pb_utils.MetricFamily("test_times", "Times.", pb_utils.MetricFamily.HISTOGRAM).Metric(buckets=[1, 10])
    for value in (0.5, 1, 5, 50):
        times.observe(value)
    assert (times.counts, times.total) == ([2, 1, 1], 56.5)
