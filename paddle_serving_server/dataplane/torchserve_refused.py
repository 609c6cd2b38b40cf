"""What TorchServe refuses: a status, the name of an exception, and a text, as both of its protocols say them."""

from typing import Final

from paddle_serving_client.errors import BadInput

NO_TOKEN: Final = "Token Authorization failed. Token either incorrect, expired, or not provided correctly"


class Refused(BadInput):
    """Something that TorchServe refuses, with its status and the name of its exception."""

    def __init__(self, status: int, kind: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
