"""The operators of a program of Paddle 1 or 2: a `ProgramDesc`."""

from collections.abc import Iterable, Mapping

from paddle_serving_app.program.constants import with_numbers
from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import dtype
from paddle_serving_client.io.var_type import code_of
from paddle_serving_client.wire.proto import framework_pb2 as pb


def read(content: bytes) -> Program:
    """The operators of a program."""
    program = pb.ProgramDesc.FromString(content)
    known = {var.name: _value_of(var) for block in program.blocks for var in block.vars}
    operators = [_operator(op, known) for block in program.blocks for op in block.ops]
    feeds = {out.name: out for op in operators if op.kind == "feed" for out in op.outputs}
    return Program("paddle2", feeds, tuple(op for op in operators if op.kind not in ("feed", "fetch")))


def _value_of(var: pb.VarDesc) -> Value:
    tensor = var.type.lod_tensor.tensor
    code = code_of(tensor.data_type) if var.type.HasField("lod_tensor") else dtype.UNKNOWN
    return Value(var.name.decode(errors="replace"), code, tuple(tensor.dims), var.persistable)


def _operator(op: pb.OpDesc, known: Mapping[bytes, Value]) -> Operator:
    kind = op.type.decode(errors="replace")
    attributes = {attr.name.decode(errors="replace"): _attribute(attr) for attr in op.attrs}

    def values(slots: Iterable[pb.OpDesc.Var]) -> tuple[Value, ...]:
        return tuple(known.get(name, _unknown(name)) for slot in slots for name in slot.arguments)

    told = {name: value for name, value in attributes.items() if value is not None and not name.startswith("op_")}
    return Operator(kind, values(op.inputs), with_numbers(kind, told, values(op.outputs)), told)


def _unknown(name: bytes) -> Value:
    return Value(name.decode(errors="replace"), dtype.UNKNOWN)


def _attribute(attr: pb.OpDesc.Attr) -> object:
    """The value of an attribute, or None where it is a block or a variable; the numbers are those of `AttrType`."""
    match attr.type:
        case 0:
            return attr.i
        case 1:
            return attr.f
        case 2:
            return attr.s.decode(errors="replace")
        case 3:
            return tuple(attr.ints)
        case 4:
            return tuple(attr.floats)
        case 5:
            return tuple(text.decode(errors="replace") for text in attr.strings)
        case 6:
            return attr.b
        case 7:
            return tuple(attr.bools)
        case 9:
            return attr.l
        case 11:
            return tuple(attr.longs)
        case 12:
            return tuple(attr.float64s)
        case 15:
            return attr.float64
        case 16:
            return _scalar(attr.scalar)
        case 17:
            return tuple(_scalar(scalar) for scalar in attr.scalars)
    return None


def _scalar(scalar: pb.Scalar) -> float:
    return {1: scalar.b, 2: scalar.i}.get(scalar.type, scalar.r)
