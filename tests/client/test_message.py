import dataclasses
import math

import numpy as np
import pytest

from paddle_serving_client import message
from paddle_serving_client.message import Request, Response, Stage


def test_an_empty_request_asks_for_everything_and_waits_forever() -> None:
    request = Request()
    assert (request.tensors, request.lods, request.instances, request.fetch) == (None, {}, (), ())
    assert (request.log_id, request.deadline) == (0, math.inf)


def test_an_empty_response() -> None:
    response = Response()
    assert (response.tensors, response.lods, response.result, response.stages) == ({}, {}, None, ())


@pytest.mark.parametrize("value", [Request(), Response(), Stage("op", 1.5)])
def test_what_travels_does_not_change(value: Request | Response | Stage) -> None:
    names = value._fields if isinstance(value, Stage) else [field.name for field in dataclasses.fields(value)]
    for name in names:
        with pytest.raises(AttributeError):
            setattr(value, name, None)
    assert not hasattr(value, "__dict__")


def test_defaults_are_not_shared() -> None:
    assert Request().lods is not Request().lods
    assert Response().tensors is not Response().tensors


def test_arrays_are_described_by_type_and_shape_never_by_values() -> None:
    assert message.describe(np.zeros((1, 3, 224, 224), np.float32)) == "float32[1, 3, 224, 224]"
    assert message.describe(np.array(7, ">i8")) == "int64[]"
    assert message.describe(np.array(["secret"])) == "str192[1]"
    assert message.describe(np.array([object()])) == "string[1]"
