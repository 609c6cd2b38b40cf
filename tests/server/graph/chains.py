"""Engines as a chain, without a service around them."""

from collections.abc import Mapping

from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.graph.chain import Chain
from paddle_serving_server.graph.model_graph import ModelGraph, ModelNode


def chain_of(engines: Mapping[str, Engine]) -> Chain:
    """One after the other."""
    sources = ["", *engines]
    nodes = {name: ModelNode(engine, source) for (name, engine), source in zip(engines.items(), sources, strict=False)}
    return Chain(ModelGraph(nodes, {sources[-1]: sources[-1]}))
