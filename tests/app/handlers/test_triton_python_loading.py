"""model.py files: what they find beside them, in configs and of other models; and what is refused."""

import base64

import pytest

from paddle_serving_client.errors import BadModel
from paddle_serving_client.wire import triton_config
from tests.app.handlers.python_models import BATCHES, EACH, SAME, Load, asked, body, only

_BLS = """
def answer(name, **more):
    x = pb_utils.Tensor("X", np.ones((1, 2), np.float32))
    return pb_utils.InferenceRequest(model_name=name, requested_output_names=["Y"], inputs=[x], **more)
"""


def test_other_models_are_asked_and_their_errors_are_errors_of_responses(model: Load) -> None:
    loaded = model(
        _BLS
        + body(
            """
good, missing, busy = (answer(name).exec() for name in ("double", "nobody", "busy"))
assert not good.has_error()
codes = [r.error().code() for r in (missing, busy)]
assert codes == [pb_utils.TritonError.NOT_FOUND, pb_utils.TritonError.UNAVAILABLE], codes
several = list(answer("parts").exec(decoupled=True))
assert answer("parts").exec().error().message().startswith("2 answers came")
y = pb_utils.get_output_tensor_by_name(good, "Y").as_numpy() + len(several)
return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", y)]) for r in requests]
"""
        )
    )
    assert only(loaded, asked([1, 2]))["Y"].tolist() == [[4, 4]]


def test_other_models_are_asked_side_by_side(model: Load) -> None:
    loaded = model(
        f"import asyncio\n{_BLS}"
        + body(
            """
async def all():
    return await asyncio.gather(*(answer("double").async_exec() for _ in range(3)))
found = asyncio.run(all())
y = sum(r.output_tensors()[0].as_numpy() for r in found)
return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", y)]) for r in requests]
"""
        )
    )
    assert only(loaded, asked([1, 2]))["Y"].tolist() == [[6, 6]]


def test_modules_and_data_beside_the_model_are_found(model: Load) -> None:
    loaded = model(
        "import json, os\nfrom beside_model import FACTOR\nfrom .beside_model import FACTOR as AGAIN\n"
        "HERE = os.path.dirname(os.path.abspath(__file__))\n"
        "with open(os.path.join(HERE, 'data.json')) as data:\n    ADDED = json.load(data)\n"
        + body(EACH.format(what="np.array([[FACTOR + AGAIN, ADDED]], np.float32)")),
        files={"1/beside_model.py": "FACTOR = 5", "1/data.json": "7"},
    )
    assert only(loaded, asked([1, 2]))["Y"].tolist() == [[10, 7]]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import no_such_module_here\n", "install it: pip install no_such_module_here, or all that"),
        ("import cv2.nothing_here\n", "pip install opencv-python-headless"),
        ("class Other: pass\n", "expected a class TritonPythonModel with a method execute"),
        ("class TritonPythonModel(:\n", "model.py, line 3: SyntaxError"),
        (
            SAME + "    def initialize(self, args):\n        raise KeyError('vocabulary')\n",
            "model.py, line 7: KeyError",
        ),
        ("import sys\nsys.exit(3)\n", "ended by sys.exit(3)"),
        (SAME + "    @staticmethod\n    def auto_complete_config(c):\n        pass\n", "must return the ModelConfig"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_its_line(model: Load, code: str, text: str) -> None:
    with pytest.raises(BadModel) as caught:
        model(code, files={"requirements.txt": "transformers"})
    assert text in str(caught.value)


def test_a_config_in_the_place_of_the_one_in_the_folder(model: Load) -> None:
    message = triton_config.parse(BATCHES.replace("max_batch_size: 4", "max_batch_size: 2"), "a config")
    loaded = model(SAME, settings={"config": base64.b64encode(message.SerializeToString()).decode()})
    assert loaded.max_requests == 2


def test_inputs_and_outputs_of_another_shape_than_callers_have(model: Load) -> None:
    config = BATCHES.replace("dims: [ 2 ] }", "dims: [ 2 ] reshape { shape: [ 1, 2 ] } }")
    loaded = model(body(EACH.format(
        what="np.full((1, 1, 2), requests[0].inputs()[0].as_numpy().ndim, np.float32)")), config)  # fmt: skip
    assert only(loaded, asked([1, 2]))["Y"].tolist() == [[3, 3]]
