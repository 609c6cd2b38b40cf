"""What ops get and give, where they import it from in Paddle Serving."""

from paddle_serving_server.graph.pipeline.channel import ChannelData as ChannelData
from paddle_serving_server.graph.pipeline.channel import ChannelDataErrcode as ChannelDataErrcode
from paddle_serving_server.graph.pipeline.channel import ChannelDataType as ChannelDataType
