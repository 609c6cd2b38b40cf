"""Numbers of errors and the exception that carries one, where ops import them from in Paddle Serving."""

from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode as ChannelDataErrcode
from paddle_serving_server.graph.pipeline.error_catch import CustomException as CustomException
from paddle_serving_server.graph.pipeline.error_catch import CustomExceptionCode as CustomExceptionCode
