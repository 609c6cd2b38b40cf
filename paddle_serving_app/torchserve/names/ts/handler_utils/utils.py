"""What handlers import that send their answers in parts."""

from typing import Any


def send_intermediate_predict_response(ret: Any, req_id_map: Any, message: str, code: int, context: Any) -> None:
    """Send a part of the answer of each request of the batch; what the handler returns is the last one.

    Args:
        ret: by the places of the requests in the batch.
        req_id_map: their ids, by these places.
        message, code: not used.
        context: of the handler.
    """
    del message, code
    context.send_parts({place: ret[place] for place in req_id_map})
