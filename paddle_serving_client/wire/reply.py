"""What reads an answer off a connection, whatever its protocol: a socket's owner feeds it and knows nothing more."""

from typing import Protocol


class Reply(Protocol):
    """One answer while it comes."""

    @property
    def came(self) -> bool:
        """Whether any of it has come."""

    @property
    def is_complete(self) -> bool:
        """Whether all of it has come."""

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow on the connection."""

    def feed(self, data: bytes) -> None:
        """Take what arrived. Raises BadPacket, TooLarge."""

    def ended(self) -> None:
        """The connection ended. Raises EOFError if that is too early."""
