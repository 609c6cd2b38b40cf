"""Services that every gRPC server has: health to watch, and reflection, by grpcio on a real server."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc as grpcio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from paddle_serving_client.wire import health, reflection
from paddle_serving_client.wire.grpc import Status
from paddle_serving_client.wire.health import Health
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.protocols.grpc.services import Bidirectional
from paddle_serving_server.services.web_service import WebService
from tests.server.catalogues import catalogue_of
from tests.server.protocols.grpc_line import Line, plane_of
from tests.serving import Server


@pytest.fixture(scope="module")
def channel(uci_server: Server) -> Iterator[Any]:
    with grpcio.insecure_channel(f"127.0.0.1:{uci_server.port}") as channel:
        yield channel


def test_watching(channel: Any) -> None:
    watch = channel.unary_stream(f"/{health.SERVICE}/Watch")
    for name, expected in (("", Health.SERVING), ("uci", Health.SERVING), ("nope", Health.SERVICE_UNKNOWN)):
        answers = watch(health.encode_request(name), timeout=20)
        assert health.decode_response(next(answers)) is expected
        answers.cancel()
    with pytest.raises(grpcio.RpcError) as caught:
        list(watch(health.encode_request(), timeout=0.3))
    error: Any = caught.value
    assert error.code() is grpcio.StatusCode.DEADLINE_EXCEEDED


def test_watching_a_server_that_changes(uci_folder: Path) -> None:
    async def scene() -> None:
        async with catalogue_of(uci_folder, WebService("uci")) as catalogue:
            line = Line(plane_of(catalogue))
            number = line.open(f"/{health.SERVICE}/Watch")
            line.send(number, b"", end=True)
            for k, is_ready in enumerate((True, False, True), 1):
                catalogue.is_ready = is_ready
                await line.got(number, k)
            told = [health.decode_response(message) for message in line.messages(number)]
            assert told == [Health.SERVING, Health.NOT_SERVING, Health.SERVING]
            line.stream.connection_lost()

    asyncio.run(scene())


def _asked(channel: Any, version: str, *requests: Any) -> list[Any]:
    messages = _reflection_messages(version)
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=messages.ServerReflectionResponse.FromString,
    )
    return list(call(iter([messages.ServerReflectionRequest(**request) for request in requests]), timeout=20))


def _reflection_messages(version: str) -> Any:
    """The messages of reflection, by the descriptors that reflection itself serves."""
    pool = descriptor_pool.DescriptorPool()
    for file in reflection.file_of(f"grpc.reflection.{version}.ServerReflection"):
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
    names = ("ServerReflectionRequest", "ServerReflectionResponse")
    found = {name: pool.FindMessageTypeByName(f"grpc.reflection.{version}.{name}") for name in names}
    return SimpleNamespace(**{name: message_factory.GetMessageClass(made) for name, made in found.items()})


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection(channel: Any, version: str) -> None:
    listed, by_symbol, by_method, by_name, no_symbol, no_file, extensions, extension = _asked(
        channel,
        version,
        {"host": "h", "list_services": ""},
        {"file_containing_symbol": "inference.GRPCInferenceService"},
        {"file_containing_symbol": "tensorflow.serving.PredictionService.Predict"},
        {"file_by_filename": "kserve.proto"},
        {"file_containing_symbol": "no.Such"},
        {"file_by_filename": "no.proto"},
        {"all_extension_numbers_of_type": "inference.ModelInferRequest"},
        {"file_containing_extension": {"containing_type": "inference.ModelInferRequest", "extension_number": 7}},
    )
    assert (listed.valid_host, listed.original_request.host) == ("h", "h")
    names = {service.name for service in listed.list_services_response.service}
    assert {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        f"grpc.reflection.{version}.ServerReflection",
    } < names
    assert by_symbol.file_descriptor_response == by_name.file_descriptor_response
    assert len(by_method.file_descriptor_response.file_descriptor_proto) == 4  # with what it imports
    for missing in (no_symbol, no_file, extensions, extension):
        assert missing.error_response.error_code == Status.NOT_FOUND


def test_reflection_knows_every_method_of_every_service() -> None:
    for service in services.every():
        names = reflection.described(service.NAMES)
        assert names, service.NAMES
        kinds = services.streams(service)
        expected = {(name, False, False) for name in service.METHODS}
        expected |= {(name, isinstance(kind, Bidirectional), True) for name, kind in kinds.items()}
        for name in names:
            assert set(reflection.methods(name)) == expected


def test_streams_of_a_real_server_end_with_it(uci_server: Server, channel: Any) -> None:
    """Two hundred streams one after the other leave nothing behind."""
    started = time.monotonic()
    for _ in range(200):
        assert len(_asked(channel, "v1", {"list_services": ""})) == 1
    assert time.monotonic() - started < 30
    assert "Traceback" not in uci_server.log
