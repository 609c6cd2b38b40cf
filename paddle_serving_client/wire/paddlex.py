"""The envelope of PaddleX's servers around results and errors, and the tensors of its HPS clients around that."""

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

INPUT, OUTPUT = "input", "output"
"""The tensors of HPS: bytes of JSON, [1, 1]."""
_MAX_LOG_ID: Final = 256


def success(log_id: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """The envelope around a result."""
    return {"logId": log_id, "result": result, "errorCode": 0, "errorMsg": "Success"}


def failure(log_id: str, status: int, text: str) -> dict[str, Any]:
    """The envelope around an error."""
    return {"logId": log_id, "errorCode": status, "errorMsg": text}


def log_id_of(said: Mapping[str, Any]) -> str:
    """What the caller calls a request; a new one where he says nothing."""
    found = said.get("logId")
    return found[:_MAX_LOG_ID] if isinstance(found, str) and found else str(uuid.uuid4())


def log_id_in(raw: bytes | memoryview) -> str:
    """As `log_id_of`, out of a body that may be anything."""
    try:
        said = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        said = None
    return log_id_of(said if isinstance(said, dict) else {})
