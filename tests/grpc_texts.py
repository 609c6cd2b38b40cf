"""Headers of gRPC as its callers write and read them."""

from urllib.parse import unquote_to_bytes


def timeout_text(seconds: float) -> str:
    """A time as `grpc-timeout` says it, in whole milliseconds or, from a day on, seconds."""
    return f"{max(0, round(seconds * 1000))}m" if seconds < 86400 else f"{min(round(seconds), 99_999_999)}S"


def percent_decoded(raw: bytes) -> str:
    """The opposite of `percent_encoded`; what is no UTF-8 is replaced, as the specification has it."""
    return unquote_to_bytes(raw).decode("utf-8", "replace")
