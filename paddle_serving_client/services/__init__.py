"""Calling the services of a server by name: all of it but the sockets, for blocking callers and for event loops."""
