"""Ops and their order, described in Python as in Paddle Serving; see docs/chain.md."""

from collections import Counter
from collections.abc import Sequence

from google.protobuf import text_format

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.proto import workflow_pb2 as pb
from paddle_serving_server.graph import workflow


class OpMaker:
    """Makes ops, as the protobuf text of their node."""

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()

    def create(
        self,
        node_type: str,
        engine_name: str | None = None,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        addresses: Sequence[str] = (),
    ) -> str:
        """Make one op.

        Args:
            node_type: as GeneralReaderOp, GeneralInferOp, GeneralResponseOp; or general_infer, as until 0.6.
            engine_name: callers see it as the name of the model's answer; by default the type and a number.
            inputs: the ops it takes from, as `create` returned them; in a sequence, by default, the one before it.
            outputs: accepted as in Paddle Serving, without effect.
            addresses: refused: requests are not handed on to other servers.

        Returns:
            The node as text.

        Raises:
            BadConfig: there is no such op.
        """
        del outputs
        if addresses:
            raise BadConfig("addresses: this server does not hand requests on; Client.connect takes several servers")
        workflow.op_of(node_type)
        name = engine_name or f"{node_type}_{self._made[node_type]}"
        self._made[node_type] += not engine_name
        node = pb.DAGNode(name=name, type=node_type)
        for source in inputs:
            node.dependencies.add(name=node_of(source).name, mode="RO")
        return text_format.MessageToString(node)


class OpSeqMaker:
    """Ops, one after the other."""

    def __init__(self) -> None:
        self._workflow = pb.Workflow(name="workflow1", workflow_type="Sequence")

    def add_op(self, node_str: str) -> None:
        """Add an op behind the last one.

        Raises:
            BadConfig: it takes from others than the last one.
        """
        node = node_of(node_str)
        before = self._workflow.nodes
        takes = [source.name for source in node.dependencies]
        if before and not takes:
            node.dependencies.add(name=before[-1].name, mode="RO")
        elif before and takes != [before[-1].name]:
            raise BadConfig(
                f"You must add op in order in OpSeqMaker. The previous op is {before[-1].name}, but the current op is "
                f"followed by {', '.join(takes)}."
            )
        before.append(node)

    def get_op_sequence(self) -> pb.WorkflowConf:
        """For `Server.set_op_sequence`."""
        return pb.WorkflowConf(workflows=[self._workflow])


class OpGraphMaker:
    """Ops that say themselves what they take from."""

    def __init__(self) -> None:
        self._workflow = pb.Workflow(name="workflow1", workflow_type="Sequence")

    def add_op(self, node_str: str) -> None:
        """Add an op; those it takes from come before it."""
        self._workflow.nodes.append(node_of(node_str))

    def get_op_graph(self) -> pb.WorkflowConf:
        """For `Server.set_op_graph`."""
        return pb.WorkflowConf(workflows=[self._workflow])


def node_of(text: str) -> pb.DAGNode:
    """The node that `OpMaker.create` wrote.

    Raises:
        BadConfig: it is none.
    """
    try:
        return text_format.Parse(text, pb.DAGNode())
    except text_format.ParseError as exc:
        raise BadConfig(f"not an op as OpMaker.create returns it: {text[:80]!r}") from exc
