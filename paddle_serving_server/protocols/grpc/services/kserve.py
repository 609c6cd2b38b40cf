"""inference.GRPCInferenceService: KServe v2 as Triton answers it over gRPC. Tensors go out as raw bytes."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

from paddle_serving_client.errors import NoMethod
from paddle_serving_client.wire import kserve_about_protobuf as about_wire
from paddle_serving_client.wire import kserve_protobuf
from paddle_serving_client.wire import kserve_settings as kserve_settings_wire
from paddle_serving_server.dataplane import (
    kserve_calls,
    kserve_models,
    kserve_repository,
    kserve_settings,
    kserve_statistics,
)
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.kserve_streams import InferStream
from paddle_serving_server.dataplane.kserve_uploads import LoadAsked
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.recalled_infer import RecalledInfers
from paddle_serving_server.protocols.grpc.services import Bidirectional, Method, SmallCalls, Streaming


async def _server_live(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    return about_wire.encode_yes(True)


async def _server_ready(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    return about_wire.encode_yes(kserve_models.is_server_ready(plane.catalogue))


async def _model_ready(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    asked = about_wire.decode_asked(message)
    is_starting = plane.catalogue.start.is_going
    return about_wire.encode_yes(not is_starting and kserve_models.is_ready(plane.catalogue, asked.name, asked.version))


async def _server_metadata(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    return about_wire.encode_server(kserve_models.server(plane.catalogue))


async def _model_metadata(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    asked, catalogue = about_wire.decode_asked(message), plane.catalogue
    await catalogue.start.over(call.deadline)
    about = kserve_models.about(kserve_models.find(catalogue, asked.name, asked.version))
    return about_wire.encode_metadata(about, kserve_models.versions(catalogue, asked.name, asked.version))


async def _model_config(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    asked = about_wire.decode_asked(message)
    await plane.catalogue.start.over(call.deadline)
    return about_wire.encode_config(kserve_models.about(kserve_models.find(plane.catalogue, asked.name, asked.version)))


async def _model_statistics(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    """Of one model, or of all where none is named."""
    asked = about_wire.decode_asked(message)
    await plane.catalogue.start.over(call.deadline)
    return about_wire.encode_statistics(kserve_statistics.statistics(plane.catalogue, asked.name, asked.version))


async def _repository_index(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    only_ready = about_wire.decode_only_ready(message)
    await plane.catalogue.start.over(call.deadline)
    return about_wire.encode_index(await kserve_repository.index(plane.catalogue, only_ready))


async def _model_load(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    asked = about_wire.decode_change(message)
    await plane.catalogue.start.over(call.deadline)
    await kserve_repository.load(plane.catalogue, asked.name, LoadAsked.of(asked.parameters, in_base64=False))
    return b""


async def _model_unload(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    asked = about_wire.decode_change(message)
    await plane.catalogue.start.over(call.deadline)
    await kserve_repository.unload(plane.catalogue, asked.name, asked.parameters)
    return b""


async def _trace_setting(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    changes, model = kserve_settings_wire.decode_asked(message)
    await plane.catalogue.start.over(call.deadline)
    _refuse_changes(changes, "/v2/trace/setting")
    found = kserve_models.find(plane.catalogue, model, in_parts=True).name if model else ""
    return kserve_settings_wire.encode_trace(kserve_settings.trace(plane.catalogue, found))


async def _log_settings(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    changes, _ = kserve_settings_wire.decode_asked(message)
    _refuse_changes(changes, "/v2/logging")
    return kserve_settings_wire.encode_log(kserve_settings.log())


def _refuse_changes(changes: Sequence[str], path: str) -> None:
    """Who may change something is settled for methods, and this one is for everybody."""
    if changes:
        raise NoMethod(f"settings ({', '.join(changes)[:128]}) are told over gRPC and changed over HTTP: POST {path}")


async def _model_infer(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    named = kserve_protobuf.decode_name(message)
    call.service = named.model
    await plane.catalogue.start.over(call.deadline)
    service = kserve_models.find(plane.catalogue, named.model, named.version)
    answered = await kserve_calls.infer(plane, call, service, kserve_protobuf.decode_request(named))
    return kserve_protobuf.encode_response(answered)


def _stream_infer(
    plane: DataPlane, call: Call, messages: AsyncIterator[bytes | memoryview]
) -> AsyncGenerator[bytes, None]:
    return InferStream(plane, call, messages).answers()


API = "kserve"
NAMES = (kserve_protobuf.SERVICE,)
METHODS: Mapping[str, Method] = {
    "ServerLive": _server_live,
    "ServerReady": _server_ready,
    "ModelReady": _model_ready,
    "ServerMetadata": _server_metadata,
    "ModelMetadata": _model_metadata,
    "ModelConfig": _model_config,
    "ModelStatistics": _model_statistics,
    "RepositoryIndex": _repository_index,
    "RepositoryModelLoad": _model_load,
    "RepositoryModelUnload": _model_unload,
    "TraceSetting": _trace_setting,
    "LogSettings": _log_settings,
    "ModelInfer": _model_infer,
}
MANAGEMENT = ("RepositoryModelLoad", "RepositoryModelUnload")
is_open = kserve_repository.is_open
STREAMS: Mapping[str, Streaming] = {"ModelStreamInfer": Bidirectional(_stream_infer)}
SMALL: Mapping[str, Callable[[DataPlane], SmallCalls]] = {"ModelInfer": RecalledInfers}
