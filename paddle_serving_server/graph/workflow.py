"""Which ops run which models, and in which order: what `--model A B`, `--op` and the builders say, as nodes.

A node is an op with its model: it takes the request, or what one other node gives. Nodes whose outputs go into the
answer are its ends: one for a chain, several for models that are asked side by side.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.proto import workflow_pb2
from paddle_serving_server.engine.settings import ModelSettings
from paddle_serving_server.graph import general_ops

READER, RESPONSE = "GeneralReaderOp", "GeneralResponseOp"
INFER, DETECTION = "GeneralInferOp", "GeneralDetectionOp"
DETECTION_FOLDER = "ocr_det_model"
"""With two models of which the first is in a folder of this name, the first is a text detector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpNode(ModelSettings):
    """An op and its model."""

    name: str
    """Callers see it in replies as the engine's name: GeneralInferOp_0."""
    op: str
    source: str = ""
    """The node whose outputs it takes; empty: the request."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """Nodes, each after the one it takes from, and the ends among them."""

    nodes: tuple[OpNode, ...]
    ends: tuple[str, ...]


def op_names() -> list[str]:
    """The ops there are, as `--op` names them."""
    return ["".join(part.capitalize() for part in name.split("_")) for name in plugins.names(general_ops)]


def op_of(wanted: str) -> str:
    """An op's name of today: `general_infer`, as it was until 0.6, is GeneralInferOp.

    Raises:
        BadConfig: there is no such op; the message lists those there are.
    """
    known = (READER, RESPONSE, *op_names())
    name = wanted if wanted in known else "".join(map(str.capitalize, wanted.split("_"))) + "Op"
    if name not in known:
        raise BadConfig(f"there is no op {wanted!r}; there are {', '.join(op_names())}")
    return name


def module_of(op: str) -> str:
    """The plug-in of an op: general_infer_op."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", op).lower()


def chain(folders: Sequence[str], ops: Sequence[str] = ()) -> Workflow:
    """One op after the other, each with the next folder.

    Args:
        folders: model folders.
        ops: names of ops; empty means GeneralInferOp for each folder, but a text detector is known by its folder.

    Raises:
        BadConfig: an op that is not there, or another number of ops than of folders.
    """
    wanted = [op for op in map(_with_model, ops) if op not in (READER, RESPONSE)]
    if not ops:
        is_ocr = len(folders) == 2 and folders[0].rstrip("/") == DETECTION_FOLDER
        wanted = [DETECTION if is_ocr and k == 0 else INFER for k in range(len(folders))]
    if len(wanted) != len(folders):
        raise BadConfig(f"--op names {len(wanted)} ops ({' '.join(wanted)}) and --model {len(folders)} folders")
    seen: Counter[str] = Counter()
    nodes: list[OpNode] = []
    for op, folder in zip(wanted, folders, strict=True):
        source = nodes[-1].name if nodes else ""
        nodes.append(OpNode(name=f"{op}_{seen[op]}", op=op, folder=folder, source=source))
        seen[op] += 1
    return Workflow(tuple(nodes), (nodes[-1].name,))


def _with_model(word: str) -> str:
    name, _, suffix = word.partition(":")
    op = op_of(name)
    if suffix and op not in (READER, RESPONSE):
        raise BadConfig(f"--op {word}: {op} needs a model")
    return op


def from_message(message: workflow_pb2.Workflow, folders: Sequence[str] | Mapping[str, str]) -> Workflow:
    """What OpSeqMaker or OpGraphMaker made, with model folders.

    Args:
        message: nodes in any order in which each comes after those it takes from.
        folders: in the order of the nodes that have a model, or by node name.

    Raises:
        BadConfig: an op that is not there, nodes that do not follow from each other, or folders that do not fit.
    """
    order = [(node.name, op_of(node.type), [d.name for d in node.dependencies]) for node in message.nodes]
    inner = [name for name, op, _ in order if op not in (READER, RESPONSE)]
    by_name = folders if isinstance(folders, Mapping) else dict(zip(inner, folders, strict=False))
    if set(by_name) != set(inner) or len(folders) != len(inner):
        raise BadConfig(
            f"the ops with a model are {', '.join(inner) or 'none'}; {len(folders)} model folders were given"
        )
    readers = {name for name, op, _ in order if op == READER}
    nodes: list[OpNode] = []
    ends: list[str] = []
    for name, op, takes in order:
        unknown = [source for source in takes if source not in readers and source not in [n.name for n in nodes]]
        if unknown:
            raise BadConfig(f"op {name} takes from {unknown[0]}, which is not before it")
        if op == RESPONSE:
            ends += [source for source in takes if source not in readers]
        elif op != READER:
            if len(takes) > 1:
                raise BadConfig(f"op {name} takes from {', '.join(takes)}; an op takes from one")
            source = "".join(source for source in takes if source not in readers)
            nodes.append(OpNode(name=name, op=op, folder=by_name[name], source=source))
    if not nodes:
        raise BadConfig("there is no op with a model")
    sources = {node.source for node in nodes}
    return Workflow(tuple(nodes), tuple(ends) or tuple(n.name for n in nodes if n.name not in sources))
