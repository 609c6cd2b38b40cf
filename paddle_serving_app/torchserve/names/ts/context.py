"""See `paddle_serving_app.torchserve.context`."""

from paddle_serving_app.torchserve.context import Context as Context
from paddle_serving_app.torchserve.context import RequestProcessor as RequestProcessor
