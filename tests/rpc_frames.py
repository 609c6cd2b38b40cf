"""Frames of baidu_std that only tests write: whole replies."""

from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import Compression


def response_frame(correlation_id: int, payload: bytes | memoryview, compress_type: int = Compression.NONE) -> bytes:
    """A successful reply; `payload` is already compressed as `compress_type` says."""
    return brpc.response_head(correlation_id, len(payload), compress_type) + bytes(payload)
