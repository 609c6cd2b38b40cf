"""The messages of PipelineService as objects, for a RequestOp or ResponseOp of one's own."""

from paddle_serving_client.wire.proto.pipeline_service_pb2 import Request as Request
from paddle_serving_client.wire.proto.pipeline_service_pb2 import Response as Response
from paddle_serving_client.wire.proto.pipeline_service_pb2 import Tensor as Tensor
