"""See `paddle_serving_app.torchserve.metrics`."""

from paddle_serving_app.torchserve.metrics import Metric as Metric
