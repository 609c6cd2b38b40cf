"""grpc.reflection, by which tools find out what a gRPC server has: bytes <-> values.

    ServerReflectionRequest  {1 host, one of: 3 file_by_filename, 4 file_containing_symbol, 5 file_containing_extension,
                              6 all_extension_numbers_of_type, 7 list_services}
    ServerReflectionResponse {1 valid_host, 2 original_request, one of: 4 file_descriptor_response {1 files},
                              6 list_services_response {1 services {1 name}}, 7 error_response {1 code, 2 message}}

The descriptors that are served are in a file, and in no pool of the process: they are those of other projects, whose
packages may be imported beside this one.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from paddle_serving_client.errors import NoService
from paddle_serving_client.wire.protobuf import BYTES, MessageType, Part, bytes_field, number_field
from paddle_serving_client.wire.tensors import decoded_name

SERVICES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_FILE: Final = Path(__file__).parent / "proto/services.binpb"
_REQUEST: Final = MessageType(
    host=(1, BYTES),
    file_by_filename=(3, BYTES),
    file_containing_symbol=(4, BYTES),
    file_containing_extension=(5, BYTES),
    all_extension_numbers_of_type=(6, BYTES),
    list_services=(7, BYTES),
)
_EXTENSION: Final = MessageType(containing_type=(1, BYTES))


@dataclass(frozen=True, slots=True)
class Question:
    """One request of a stream."""

    message: bytes
    """As it came: it goes back with the answer."""
    host: str = ""
    field: str = ""
    """What is asked for, by the name of the field; empty: nothing that is known."""
    name: str = ""
    """Of which file, symbol or type."""


def decode_request(message: bytes | memoryview) -> Question:
    """Read a `ServerReflectionRequest`.

    Raises:
        BadPacket: not such a message. TooLarge: a name that is too long.
    """
    got = _REQUEST.read(memoryview(message))
    host = decoded_name(got["host"][-1], "host") if "host" in got else ""
    field = next((field for field in got if field != "host"), "")
    value = got[field][-1] if field else memoryview(b"")
    if field == "file_containing_extension":
        extended = _EXTENSION.read(value)
        value = extended["containing_type"][-1] if "containing_type" in extended else memoryview(b"")
    return Question(bytes(message), host, field, decoded_name(value, field))


def encode_services(question: Question, names: Sequence[str]) -> bytes:
    """Answer with the full names of services."""
    listed: list[Part] = []
    for name in names:
        listed += bytes_field(1, *bytes_field(1, name.encode()))
    return _response(question, 6, listed)


def encode_files(question: Question, files: Sequence[bytes]) -> bytes:
    """Answer with descriptors of files."""
    return _response(question, 4, [part for file in files for part in bytes_field(1, file)])


def encode_error(question: Question, code: int, text: str) -> bytes:
    """Answer that there is no such thing; `code` is a status of gRPC."""
    return _response(question, 7, [number_field(1, code), *bytes_field(2, text.encode())])


def _response(question: Question, number: int, parts: Sequence[Part]) -> bytes:
    host = bytes_field(1, question.host.encode()) if question.host else []
    return b"".join([*host, *bytes_field(2, question.message), *bytes_field(number, *parts)])


# -- descriptors


def described(names: Sequence[str]) -> list[str]:
    """Those of the full names of services that descriptors are there for."""
    return [name for name in names if name in _names()]


def methods(service: str) -> list[tuple[str, bool, bool]]:
    """The methods of a described service: name, whether requests stream, whether answers do."""
    found = _pool().FindServiceByName(service)
    return [(method.name, bool(method.client_streaming), bool(method.server_streaming)) for method in found.methods]


def file_named(name: str) -> list[bytes]:
    """A file by its name, behind those that it imports.

    Raises:
        NoService: there is none.
    """
    try:
        return _with_imports(_pool().FindFileByName(name))
    except KeyError:
        raise NoService(f"no file {name[:256]!r}") from None


def file_of(symbol: str) -> list[bytes]:
    """The file that declares a service, method, message, field or enum, behind those that it imports.

    Raises:
        NoService: there is none.
    """
    try:
        return _with_imports(_pool().FindFileContainingSymbol(symbol))
    except KeyError:
        pass
    try:  # methods are no symbols to some versions of protobuf
        return _with_imports(_pool().FindMethodByName(symbol).containing_service.file)
    except KeyError:
        raise NoService(f"no symbol {symbol[:256]!r}") from None


def _with_imports(file: FileDescriptor) -> list[bytes]:
    found: dict[str, bytes] = {}

    def visit(one: FileDescriptor) -> None:
        if one.name not in found:
            for imported in one.dependencies:
                visit(imported)
            found[one.name] = one.serialized_pb

    visit(file)
    return list(found.values())


@functools.cache
def _set() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(_FILE.read_bytes())


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(f"{file.package}.{service.name}" for file in _set().file for service in file.service)


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    """Of our own."""
    pool = descriptor_pool.DescriptorPool()
    for file in _set().file:
        pool.Add(file)
    return pool
