"""Where the parts of a text classifier come from: PREFIX:ADDRESS, one module for each prefix.

A module has `fetched(address) -> Path`: the folder or file, on this machine now. What it downloads lies in the cache of
the service's own library.
"""
