"""KServe v2 over gRPC beside a real Triton's recorded answers, without a server; `test_kserve` does it over HTTP."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.errors import NoMethod, ServingError
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import bytes_field
from paddle_serving_server.config.values import Limits
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import methods
from paddle_serving_server.protocols.grpc.services import kserve
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from paddle_serving_server.user_code.threads import Threads
from tests import models
from tests.data import triton
from tests.server.catalogues import catalogue_of


class Prices(WebService):
    """Takes no tensors: it has no model."""

    def preprocess(self, feed=(), fetch=()):  # type: ignore[no-untyped-def]
        return {"x": [1.0]}, fetch, True


def tensor(name: str, array: Any, datatype: str = "INT32") -> list[Any]:
    shape = protobuf.pack_few(array.shape)
    return bytes_field(5, *bytes_field(1, name.encode()), *bytes_field(2, datatype.encode()), *bytes_field(3, shape))


A, B = np.arange(16, dtype=np.int32)[None], np.ones((1, 16), np.int32)


def infer_request(model: str = "simple", version: str = "", raw: bool = True, a: Any = A, b: Any = B) -> bytes:
    parts = [*bytes_field(1, model.encode()), *bytes_field(2, version.encode()), *bytes_field(3, b"7")]
    parts += [*tensor("INPUT0", a), *tensor("INPUT1", b)]
    for array in (a, b) if raw else ():
        parts += bytes_field(7, array.tobytes())
    return b"".join(parts)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Calls a method of the gRPC service with a message."""
    with asyncio.Runner() as runner:
        folder = models.simple(tmp_path_factory.mktemp("kserve") / "simple")
        opened = catalogue_of(folder, WebService("simple"))
        plane = DataPlane(runner.run(opened.__aenter__()), Limits())

        async def ask(method: str, message: bytes) -> bytes:
            return await kserve.METHODS[method](plane, plane.call("grpc", method, 0.0), message)

        yield lambda method, message=b"": runner.run(ask(method, message))
        runner.run(opened.__aexit__(None, None, None))


def test_what_triton_answered_over_grpc(call: Any) -> None:
    recorded = triton.grpc()
    assert call("ServerLive") == recorded["ServerLive"]
    assert call("ServerReady") == recorded["ServerLive"]
    assert call("ModelReady", b"\x0a\x06simple") == recorded["ServerLive"]
    assert call("ModelReady", b"\x0a\x04nope") == recorded["ModelReady:nope"]
    assert call("ModelInfer", infer_request()) == recorded["ModelInfer:raw"]


def test_values_that_are_not_raw(call: Any) -> None:
    def explicit(name: str, array: Any, field: int) -> list[Any]:
        contents = bytes_field(field, protobuf.pack_varints(array))
        return bytes_field(
            5, *bytes_field(1, name.encode()), b"\x12\x05INT32\x1a\x02\x01\x10", *bytes_field(5, *contents)
        )

    named = b"\x0a\x06simple"
    good = named + b"".join([*explicit("INPUT0", A, 2), *explicit("INPUT1", B, 2)])
    assert call("ModelInfer", good) == triton.grpc()["ModelInfer:contents"]
    for message, words in (
        (
            named + b"".join([*explicit("INPUT0", A, 3), *explicit("INPUT1", B, 2)]),
            "of type 'INT64', expected datatype 'INT32'",
        ),
        (named + b"".join([*explicit("INPUT0", A[:, :9], 2), *explicit("INPUT1", B, 2)]), "Expected 64, got 36"),
        (
            good + b"".join(bytes_field(7, A.tobytes())),
            "contents field must not be specified when using raw_input_contents",
        ),
    ):
        with pytest.raises(ServingError, match=words):
            call("ModelInfer", message)


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        (infer_request("nope"), "NOT_FOUND", "Request for unknown model: 'nope' is not found"),
        (infer_request(""), "NOT_FOUND", "Request for unknown model: '' is not found"),
        (infer_request(version="9"), "NOT_FOUND", "Request for unknown model: 'simple' version 9 is not found"),
        (infer_request(version="x"), "INVALID_ARGUMENT", "failed to get model version from specified version string"),
        (infer_request(raw=False), "INVALID_ARGUMENT", "input byte size mismatch for input 'INPUT0'"),
        (infer_request(a=A[:, :15]), "INVALID_ARGUMENT", "Expected [-1,16], got [1,15]"),
        (infer_request(a=-A[0]), "INVALID_ARGUMENT", "[request id: 7] unexpected shape for input 'INPUT0'"),
        (b"\x0a\x06simple", "INVALID_ARGUMENT", "expected 2 inputs but got 0 inputs for model 'simple'"),
        (infer_request() + b"\x32\x04\x0a\x02ZZ", "INVALID_ARGUMENT", "unexpected inference output 'ZZ'"),
        (b"\xff\xff\xff", "INVALID_ARGUMENT", "varint is cut"),
    ],
)
def test_refusals_over_grpc(call: Any, message: bytes, status: str, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        call("ModelInfer", message)
    assert text in str(caught.value)
    assert methods.refusal(caught.value).status.name == status


def test_services_without_a_model_are_none() -> None:
    async def scene() -> None:
        with contextlib.closing(Threads(1, "test")) as threads:
            service = Prices("prices")
            service.bind({}, threads)
            plane = DataPlane(Catalogue([service]), Limits())

            async def ask(method: str, message: bytes = b"") -> bytes:
                return await kserve.METHODS[method](plane, plane.call("grpc", method, 0.0), message)

            assert await ask("RepositoryIndex") == await ask("ModelStatistics") == b""
            assert await ask("ModelReady", b"\x0a\x06prices") == b""
            with pytest.raises(NoMethod, match="takes no tensors"):
                await ask("ModelInfer", infer_request("prices"))

    asyncio.run(scene())
