"""model.py files as people write them, run in this process: what they get, and what becomes of their answers."""

import sys
import threading
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.handler import Failure, HandlerRequest
from tests.app.handlers.python_models import BATCHES, EACH, SAME, Load, asked, body, only


def test_initialize_is_given_the_config_and_finalize_comes_last(model: Load) -> None:
    head = """
    def initialize(self, args):
        import json
        self.args, self.config = args, json.loads(args["model_config"])
        self.type = pb_utils.triton_string_to_numpy(
            pb_utils.get_output_config_by_name(self.config, "Y")["data_type"])
    def finalize(self):
        print("over", self.args["model_name"])
"""
    loaded = model(body(EACH.format(what="np.array([len(self.args), self.config['max_batch_size']], self.type)"), head))
    assert only(loaded, asked([1, 2]))["Y"].tolist() == [7, 4]
    assert [(i.name, i.shape) for i in loaded.signature.inputs] == [("X", (-1, 2))]
    assert loaded.max_requests == 4
    loaded.close()


def test_requests_are_joined_only_if_their_shapes_are_equal_up_to_the_largest_batch(model: Load) -> None:
    config = BATCHES.replace("dims: [ 2 ]", "dims: [ -1 ]", 1)
    loaded = model(body(EACH.format(what="np.array([len(requests), 0], np.float32)")), config)
    ask = [asked([1, 2]), asked([1, 2], [3, 4]), asked([1, 2, 3]), asked([1, 2]), *[asked([1, 2])] * 4]
    assert [int(result["Y"][0]) for result in loaded.handle(ask)] == [2, 2, 1, 4, 4, 4, 4, 1]


def test_without_dynamic_batching_each_request_is_alone(model: Load) -> None:
    loaded = model(
        body(EACH.format(what="np.array([len(requests), 0], np.float32)")),
        BATCHES.replace("dynamic_batching { }", ""),
    )
    assert [int(result["Y"][0]) for result in loaded.handle([asked([1, 2])] * 3)] == [1, 1, 1]
    assert loaded.max_requests == 1


def test_strings_are_bytes_in_and_may_be_str_out(model: Load) -> None:
    config = 'backend: "python"\ninput { name: "X" data_type: TYPE_STRING dims: [ -1 ] }\n'
    config += 'output { name: "Y" data_type: TYPE_STRING dims: [ -1 ] }'
    what = "np.array([t.decode().upper() for t in pb_utils.get_input_tensor_by_name(r, 'X').as_numpy()], dtype=object)"
    result = only(
        model(body(EACH.format(what=what)), config),
        HandlerRequest(tensors={"X": np.array(["помогите".encode(), b"me"], object)}),
    )
    assert result["Y"].tolist() == ["ПОМОГИТЕ".encode(), b"ME"]


def test_what_the_config_leaves_out_the_model_says(model: Load) -> None:
    head = """
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "X", "data_type": "TYPE_FP32", "dims": [2]})
        config.add_output({"name": "Y", "data_type": "TYPE_FP32", "dims": [2]})
        config.set_max_batch_size(3)
        config.set_dynamic_batching()
        return config
"""
    loaded = model(SAME.replace("TritonPythonModel:\n", f"TritonPythonModel:{head}"), None)
    assert loaded.max_requests == 3
    assert only(loaded, asked([1, 2]))["Y"].tolist() == [[1, 2]]


def test_an_optional_input_may_be_missing(model: Load) -> None:
    config = BATCHES.replace(
        "dims: [ 2 ] }", 'dims: [ 2 ] }, { name: "Z" data_type: TYPE_FP32 dims: [ 1 ] optional: true }', 1
    )
    loaded = model(body(EACH.format(what="np.array([len(r.inputs()), 0], np.float32)")), config)
    given = loaded.signature.given({"X": np.zeros((1, 2), np.float32)})
    assert [i.name for i in given.inputs] == ["X"]
    assert only(loaded, asked([1, 2]))["Y"][0] == 1


def test_a_model_sees_parameters_ids_and_the_outputs_that_are_wanted(model: Load) -> None:
    loaded = model(
        body(
            """
import json
for r in requests:
    assert json.loads(r.parameters()) == {"mine": 3}, r.parameters()
    assert (r.request_id(), r.correlation_id(), r.flags()) == ("seven", 11, 1)
    assert r.requested_output_names() == ["Y"]
"""
            + EACH.format(what="np.zeros((1, 2), np.float32)")
        )
    )
    result = only(loaded, asked([1, 2], id="seven", parameters={"mine": 3, "sequence_id": 11, "sequence_start": True}))
    assert result["Y"].tolist() == [[0, 0]]


_ERROR = "pb_utils.InferenceResponse(error=pb_utils.TritonError"


@pytest.mark.parametrize(
    ("lines", "status", "text"),
    [
        (f"return [{_ERROR}('no', pb_utils.TritonError.INVALID_ARG))]", 400, "no"),
        (f"return [{_ERROR}('gone', pb_utils.TritonError.NOT_FOUND))]", 404, "gone"),
        ("return [pb_utils.InferenceResponse(error='a text')]", 500, "a text"),
        ("raise ValueError('boom')", 500, "message: ValueError: boom\n\nAt:\n  thing/1/model.py(5): execute\n"),
        ("raise pb_utils.TritonModelException('mine')", 500, "message: TritonModelException: mine\n\nAt:\n"),
        ("return []", 500, "InferenceRequest(s) size is:1, and InferenceResponse(s) size is:0"),
        ("return [7]", 500, "in the execute function return list, found type 'int'"),
        ("return 7", 500, "execute must return a list of InferenceResponse, got int"),
        ("return [pb_utils.InferenceResponse([pb_utils.Tensor('Y', 'text')])]", 500, "must be a numpy array, got str"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_the_answer_to_its_request(model: Load, lines: str, status: int, text: str) -> None:
    result = only(model(body(lines)), asked([1, 2]))
    assert isinstance(result, Failure)
    assert (result.status, result.is_callers) == (status, status == 400)
    assert text in str(result)
    if status == 500 and text != "a text":
        assert str(result).startswith("Failed to process the request(s) for model 'thing_0', message: ")


def test_a_model_that_is_not_decoupled_may_answer_by_its_sender_from_a_thread(model: Load) -> None:
    loaded = model(
        body(
            """
import threading
def answer(r):
    y = pb_utils.Tensor('Y', 3 * pb_utils.get_input_tensor_by_name(r, 'X').as_numpy())
    r.get_response_sender().send(pb_utils.InferenceResponse([y]), pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
for r in requests:
    threading.Timer(0.02, answer, [r]).start()
"""
        )
    )
    assert only(loaded, asked([1, 2]))["Y"].tolist() == [[3, 6]]


def test_a_decoupled_model_gives_parts_while_it_still_works(model: Load) -> None:
    code = body(
        """
for r in requests:
    sender = r.get_response_sender()
    for k in range(2):
        sender.send(pb_utils.InferenceResponse([pb_utils.Tensor('Y', np.array([k, 0], np.float32))]))
    GATE.wait(5)
    seen.append(sender.is_cancelled())
    sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
    )
    code = f"import threading\nGATE, seen = threading.Event(), []\n{code}"
    loaded = model(code, BATCHES + "model_transaction_policy { decoupled: true }")
    stream, more = threading.Event(), only(loaded, asked([1, 2]))
    assert loaded.is_decoupled
    more.on_part(stream.set)
    parts = [_part(more, stream), _part(more, stream)]
    assert [part["Y"].tolist() for part in parts] == [[0, 0], [1, 0]]
    module = sys.modules["1.model"]
    assert more.take() == (False, None)
    module.GATE.set()
    with pytest.raises(StopIteration):
        _part(more, stream)
    assert module.seen == [False]


def test_a_decoupled_model_that_raises_ends_its_stream_with_the_reason(model: Load) -> None:
    loaded = model(body("raise ValueError('boom')"), BATCHES + "model_transaction_policy { decoupled: true }")
    more, woken = only(loaded, asked([1, 2])), threading.Event()
    more.on_part(woken.set)
    with pytest.raises(Failure, match="ValueError: boom"):
        _part(more, woken)


def _part(stream: Any, woken: threading.Event) -> Any:
    for _ in range(100):
        is_there, part = stream.take()
        if is_there:
            return part
        woken.wait(0.05)
        woken.clear()
    raise AssertionError("no part came")
