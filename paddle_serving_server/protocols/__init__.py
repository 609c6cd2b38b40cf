"""One protocol each: a socket's bytes to Requests, Responses back to bytes.

A plug-in module offers `claims(head) -> bool | None` (is this mine, judged by the first bytes; None: more bytes are
needed), `streams(plane, at)`, which is called once in a server for each address: what it returns makes an
`accepted.Stream` of each connection's `(transport, flow)`; None: nothing is answered there; and `callers()`, the names
of the families of callers that it knows.
"""
