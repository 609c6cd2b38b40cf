"""One protocol each: a socket's bytes to Requests, Responses back to bytes.

A plug-in module offers `claims(head) -> bool | None` (is this mine, judged by the first bytes; None: more bytes are
needed) and `streams(plane)`, which is called once in a server: what it returns makes an `accepted.Stream`
of each connection's `(transport, flow)`.
"""
