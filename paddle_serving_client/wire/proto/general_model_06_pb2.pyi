from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Tensor(_message.Message):
    __slots__ = ("data", "int_data", "int64_data", "float_data", "elem_type", "shape", "lod")
    DATA_FIELD_NUMBER: _ClassVar[int]
    INT_DATA_FIELD_NUMBER: _ClassVar[int]
    INT64_DATA_FIELD_NUMBER: _ClassVar[int]
    FLOAT_DATA_FIELD_NUMBER: _ClassVar[int]
    ELEM_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    LOD_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedScalarFieldContainer[bytes]
    int_data: _containers.RepeatedScalarFieldContainer[int]
    int64_data: _containers.RepeatedScalarFieldContainer[int]
    float_data: _containers.RepeatedScalarFieldContainer[float]
    elem_type: int
    shape: _containers.RepeatedScalarFieldContainer[int]
    lod: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, data: _Optional[_Iterable[bytes]] = ..., int_data: _Optional[_Iterable[int]] = ..., int64_data: _Optional[_Iterable[int]] = ..., float_data: _Optional[_Iterable[float]] = ..., elem_type: _Optional[int] = ..., shape: _Optional[_Iterable[int]] = ..., lod: _Optional[_Iterable[int]] = ...) -> None: ...

class FeedInst(_message.Message):
    __slots__ = ("tensor_array",)
    TENSOR_ARRAY_FIELD_NUMBER: _ClassVar[int]
    tensor_array: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, tensor_array: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class FetchInst(_message.Message):
    __slots__ = ("tensor_array",)
    TENSOR_ARRAY_FIELD_NUMBER: _ClassVar[int]
    tensor_array: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, tensor_array: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("insts", "fetch_var_names", "profile_server", "log_id")
    INSTS_FIELD_NUMBER: _ClassVar[int]
    FETCH_VAR_NAMES_FIELD_NUMBER: _ClassVar[int]
    PROFILE_SERVER_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    insts: _containers.RepeatedCompositeFieldContainer[FeedInst]
    fetch_var_names: _containers.RepeatedScalarFieldContainer[str]
    profile_server: bool
    log_id: int
    def __init__(self, insts: _Optional[_Iterable[_Union[FeedInst, _Mapping]]] = ..., fetch_var_names: _Optional[_Iterable[str]] = ..., profile_server: _Optional[bool] = ..., log_id: _Optional[int] = ...) -> None: ...

class ModelOutput(_message.Message):
    __slots__ = ("insts", "engine_name")
    INSTS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_NAME_FIELD_NUMBER: _ClassVar[int]
    insts: _containers.RepeatedCompositeFieldContainer[FetchInst]
    engine_name: str
    def __init__(self, insts: _Optional[_Iterable[_Union[FetchInst, _Mapping]]] = ..., engine_name: _Optional[str] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("outputs", "profile_time")
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_TIME_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[ModelOutput]
    profile_time: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, outputs: _Optional[_Iterable[_Union[ModelOutput, _Mapping]]] = ..., profile_time: _Optional[_Iterable[int]] = ...) -> None: ...
