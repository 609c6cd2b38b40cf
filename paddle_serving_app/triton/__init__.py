"""Model repositories of Triton: configs, what is completed in them, folders, and what model.py imports."""
