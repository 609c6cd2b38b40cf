"""PipelineServer, where scripts of Paddle Serving import it from."""

from paddle_serving_server.commands.pipeline_server import PipelineServer as PipelineServer
