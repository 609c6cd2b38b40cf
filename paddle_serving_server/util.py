"""ArgsParser, where scripts of Paddle Serving import it from."""

from paddle_serving_server.graph.pipeline.args_parser import ArgsParser as ArgsParser
