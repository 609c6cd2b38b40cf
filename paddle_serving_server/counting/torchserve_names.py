"""The names that TorchServe gives to what it counts."""

from typing import Final

REQUESTS: Final = "ts_inference_requests_total"
LATENCY_US: Final = "ts_inference_latency_microseconds"
QUEUE_US: Final = "ts_queue_latency_microseconds"
"""By model and version, `default` where a caller says none."""
QUEUE_MS: Final = "QueueTime"
WORKER_MS: Final = "WorkerThreadTime"
"""Of the last prediction."""
STATUSES: Final = {2: "Requests2XX", 4: "Requests4XX", 5: "Requests5XX"}
"""Answers over HTTP, by the hundreds of their status."""
