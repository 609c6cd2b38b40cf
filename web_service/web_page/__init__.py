"""The page as a web application of its own; `../ui.py` runs it."""
