"""What all messages between the processes of a server have in common: see `control`."""


class Message:
    """Any of them."""

    __slots__ = ()
