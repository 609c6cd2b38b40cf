"""uci_housing, the first model of every Paddle Serving tutorial, as Paddle 2 saves it.

price = x . w + b, with the weights that the tutorial's training gave. Input `x`, float32 (-1, 13); output
`fc_0.tmp_1`, float32 (-1, 1). It is small enough to be written here, operator by operator, without Paddle.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from paddle_serving_client.io.params import record
from paddle_serving_client.wire.proto import framework_pb2 as pb

# fmt: off
WEIGHTS = (
    -1.223457098, 2.674426317, -2.977812767, 4.224726677, -1.815559626, 8.564677238, -1.263478756,
    -3.547331572, -0.484840631, -2.262299061, -6.693300724, 2.094819546, -10.552702904,
)
BIAS = 22.738298416
HOUSE = (
    0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332,
)
# fmt: on
PRICE = 18.901152
"""What it answers for `HOUSE`."""

_FLOAT32 = 5
_TENSOR, _FEED_LIST, _FETCH_LIST = 7, 9, 10
_INT, _BOOL = 0, 6


def build(folder: Path) -> None:
    """Write the trained model as Paddle 2 saves it: inference.pdmodel, inference.pdiparams."""
    count = len(WEIGHTS)
    weights = record((count, 1), _FLOAT32, np.array(WEIGHTS, "<f4").tobytes())
    bias = record((1,), _FLOAT32, np.array([BIAS], "<f4").tobytes())
    program = pb.ProgramDesc(version=pb.Version(version=0))
    block = program.blocks.add(idx=0, parent_idx=-1)
    for name, kind in (("feed", _FEED_LIST), ("fetch", _FETCH_LIST)):
        block.vars.add(name=name.encode(), type=pb.VarType(type=kind), persistable=True)
    _tensor(block, "x", -1, count).need_check_feed = True
    _tensor(block, "fc_0.w_0", count, 1).persistable = True
    _tensor(block, "fc_0.b_0", 1).persistable = True
    _tensor(block, "fc_0.tmp_0", -1, 1)
    _tensor(block, "fc_0.tmp_1", -1, 1)
    _operator(block, "feed", {"X": "feed"}, {"Out": "x"}, col=0)
    _operator(block, "matmul_v2", {"X": "x", "Y": "fc_0.w_0"}, {"Out": "fc_0.tmp_0"}, trans_x=False, trans_y=False)
    _operator(block, "elementwise_add", {"X": "fc_0.tmp_0", "Y": "fc_0.b_0"}, {"Out": "fc_0.tmp_1"}, axis=1)
    _operator(block, "fetch", {"X": "fc_0.tmp_1"}, {"Out": "fetch"}, col=0)
    (folder / "inference.pdmodel").write_bytes(program.SerializeToString(deterministic=True))
    (folder / "inference.pdiparams").write_bytes(bias + weights)  # sorted by name


def _tensor(block: pb.BlockDesc, name: str, *dims: int) -> pb.VarDesc:
    tensor = pb.VarType.TensorDesc(data_type=_FLOAT32, dims=dims)
    kind = pb.VarType(type=_TENSOR, lod_tensor=pb.VarType.LoDTensorDesc(tensor=tensor, lod_level=0))
    return block.vars.add(name=name.encode(), type=kind)


def _operator(
    block: pb.BlockDesc, kind: str, inputs: Mapping[str, str], outputs: Mapping[str, str], **attrs: int
) -> None:
    operator = block.ops.add(type=kind.encode())
    for slot, name in inputs.items():
        operator.inputs.add(parameter=slot.encode(), arguments=[name.encode()])
    for slot, name in outputs.items():
        operator.outputs.add(parameter=slot.encode(), arguments=[name.encode()])
    for name, value in attrs.items():
        if isinstance(value, bool):
            operator.attrs.add(name=name.encode(), type=_BOOL, b=value)
        else:
            operator.attrs.add(name=name.encode(), type=_INT, i=value)
