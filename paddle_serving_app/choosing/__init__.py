"""Which inference library runs a model fastest, and whether it is right."""
