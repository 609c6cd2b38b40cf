"""WebService and Op, where service files of Paddle Serving import them from."""

from paddle_serving_server.graph.pipeline.op import Op as Op
from paddle_serving_server.services.web_service import WebService as WebService
