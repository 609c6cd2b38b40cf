"""Where models come from: one module for each `--type`."""
