"""`Tensor`: a name and an array, as a model.py takes and gives them."""

from typing import Any, Final

import numpy as np

from paddle_serving_app.triton.backend_utils.errors import TritonModelException
from paddle_serving_client import dtype
from paddle_serving_client.message import Array
from paddle_serving_client.wire.kserve_about import TYPES, type_name

_CPU: Final = (1, 0)
"""DLPack's pair for memory that the processor reads."""
_NUMPY: Final = {
    type_name(row.kserve): row.numpy.type for row in dtype.ELEM_TYPES.values() if row.kserve and row.numpy is not None
}
_NUMPY["TYPE_BOOL"] = bool  # type: ignore[assignment]  # as model.py has it of Triton


class Tensor:
    """An input or output of a request."""

    def __init__(self, name: str, numpy_array: Any) -> None:
        """Take an array; nothing is copied that is C-contiguous.

        Args:
            name: of the input or output.
            numpy_array: any of Triton's types. Strings are an array of objects, each `str` or `bytes` (anything else is
                turned into text), or one of fixed width ("S", "U").

        Raises:
            TritonModelException: the name is empty, or it is no array of a type that Triton has.
        """
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
        if not isinstance(numpy_array, np.ndarray):
            kind = type(numpy_array).__name__
            raise TritonModelException(f"tensor '{name}' must be a numpy array, got {kind}; torch has .cpu().numpy()")
        self._number = numpy_to_triton_type(numpy_array.dtype)
        if self._number == 0:
            raise TritonModelException(f"tensor '{name}' is {numpy_array.dtype.name}, which is none of Triton's types")
        self._name = name
        self._array: Array = numpy_array if numpy_array.ndim == 0 else np.ascontiguousarray(numpy_array)

    def name(self) -> str:
        """Its name."""
        return self._name

    def shape(self) -> list[int]:
        """The lengths of its axes."""
        return list(self._array.shape)

    def triton_dtype(self) -> int:
        """Its number in `DataType`: 11 is TYPE_FP32."""
        return self._number

    def as_numpy(self) -> Array:
        """The array itself. Of a request it can only be read; strings in it are `bytes`."""
        return self._array

    def is_cpu(self) -> bool:
        """Always: no tensor is handed on in the memory of a GPU."""
        return True

    def as_sent(self) -> Array:
        """The array as it travels: strings are an array of objects, each `bytes`."""
        if TYPES[self._number] != "BYTES":
            return self._array
        flat = [item if type(item) is bytes else str(item).encode() for item in self._array.ravel().tolist()]
        sent = np.empty(len(flat), np.object_)
        sent[:] = flat
        return sent.reshape(self._array.shape)

    def to_dlpack(self) -> Any:
        """A DLPack capsule of it, for `torch.utils.dlpack.from_dlpack` and the like.

        Raises:
            TritonModelException: strings have none.
        """
        return self.__dlpack__()

    def __dlpack__(self, **options: Any) -> Any:
        """As the protocol of arrays wants it; what can only be read is copied, since the protocol cannot say that."""
        if TYPES[self._number] == "BYTES":
            raise TritonModelException("DLPack does not have support for string tensors.")
        if dtype.is_inexact(self._array.dtype) and self._array.dtype == dtype.BFLOAT16:
            raise TritonModelException(f"tensor '{self._name}' is bfloat16, which numpy does not hand on by DLPack")
        array = self._array if self._array.flags.writeable else self._array.copy()
        options.pop("stream", None)  # of a GPU
        return array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """That of the processor."""
        return _CPU

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> "Tensor":
        """A tensor of another library's, or of a DLPack capsule; nothing is copied.

        Raises:
            TritonModelException: the name is empty, it is neither of both, or it is in the memory of a GPU.
        """
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
        source = tensor
        if type(tensor).__name__ == "PyCapsule":
            source = _Capsule(tensor)
        elif not (hasattr(tensor, "__dlpack__") and hasattr(tensor, "__dlpack_device__")):
            raise TritonModelException(
                "Provided tensor is not supported. Tensor must be a DLPack capsule or have `__dlpack__` and "
                "`__dlpack_device__` attributes"
            )
        elif tuple(map(int, tensor.__dlpack_device__()))[0] != _CPU[0]:
            raise TritonModelException(f"tensor '{name}' is in the memory of a GPU; hand on tensor.cpu()")
        try:
            return Tensor(name, np.from_dlpack(source))
        except (BufferError, RuntimeError, TypeError, ValueError) as exc:
            raise TritonModelException(f"tensor '{name}' cannot be taken by DLPack: {exc}") from exc


class _Capsule:
    """A capsule, as numpy wants to be given one."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


def triton_string_to_numpy(triton_type_string: str) -> Any:
    """The numpy type of a `data_type` in a config: `numpy.float32` of "TYPE_FP32", `numpy.object_` of "TYPE_STRING".

    Raises:
        KeyError: there is no such type.
    """
    return _NUMPY[triton_type_string]


def triton_to_numpy_type(data_type: int) -> Any:
    """The numpy type of a number in `DataType`; None where there is none."""
    return _NUMPY.get(type_name(TYPES[data_type])) if 0 < data_type < len(TYPES) else None


def numpy_to_triton_type(data_type: Any) -> int:
    """The number in `DataType` of a numpy type; 0 where there is none."""
    kind = np.dtype(data_type)
    row = dtype.ELEM_TYPES.get(dtype.STRING if kind.kind in "SU" else dtype.code_of(kind))
    return TYPES.index(row.kserve) if row is not None and row.kserve else 0
