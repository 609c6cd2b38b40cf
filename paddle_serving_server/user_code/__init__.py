"""How code of users gets into a server, and how it is run there."""
